/**
 * `npm start`: installs and builds what is missing or stale, then becomes the broker.
 * Arguments after `--` are the broker's: `npm start -- -p 1884 -v`.
 *
 * What is acknowledged survives a restart: unless a configuration file or the environment says
 * where sessions and messages are kept, it is on disk, in `data/` of this checkout.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt } from './compile.mjs';
import { ensureInstalled } from './install.mjs';
import { become, root, runMain, StepError } from './project.mjs';

/** What the broker takes for a choice of a store; not what Kubernetes says of `tidewire-redis`. */
const choice =
  /^TIDEWIRE_(REDIS_(?!SERVICE_|PORT)|ACK_LEVEL$|(RETAINED_)?PERSISTENCE|PLUGIN_OPT_REDIS)/;

await runMain(async () => {
  ensureInstalled();
  ensureBuilt('dist');
  const broker = join(root, 'dist/broker.js');
  if (!existsSync(broker)) throw new StepError('src/broker.ts is missing: nothing to start');
  const args = process.argv.slice(2);
  if (!args.some(namesConfigFile)) keepOnDisk();
  await become(broker, args);
});

/** @param {string} arg */
function namesConfigFile(arg) {
  return arg === '-c' || /^--config(-file)?(=|$)/.test(arg);
}

/** Half a choice in the environment is left for the broker to judge. An empty variable is none. */
function keepOnDisk() {
  const { env } = process;
  const isChosen = Object.keys(env).some((name) => choice.test(name) && env[name]);
  if (!isChosen) env.TIDEWIRE_STORE ||= 'disk';
  if (env.TIDEWIRE_STORE === 'disk') env.TIDEWIRE_DATA_DIR ||= join(root, 'data');
}
