/** `npm run build`: compiles src to dist, as it is published. */
import { ensureBuilt } from './compile.mjs';
import { ensureInstalled } from './install.mjs';
import { runMain } from './project.mjs';

await runMain(() => {
  ensureInstalled();
  ensureBuilt('dist', { force: true });
});
