/**
 * Loaded into a broker before it starts (`node --import`): answers the question `bytes` of the
 * process that started it with the bytes that are in use once garbage is collected. It does
 * nothing between questions.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// The function is there in contexts that are made while the flag is set.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
setFlagsFromString('--no-expose-gc');

process.on('message', (question) => {
  if (question !== 'bytes') return;
  collect();
  const { heapUsed, external } = process.memoryUsage();
  process.send?.(heapUsed + external);
});
// The broker ends when it wants to.
process.channel?.unref();
