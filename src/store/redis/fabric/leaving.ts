/** How a broker leaves the others, and that two have one name. */
import { setTimeout as pause } from 'node:timers/promises';
import { BrokerError, messageOf } from '../../../base/errors.js';
import type { Log } from '../../../base/log.js';
import { CLOSE_MS } from '../tuning.js';

/** Waits for the last word, but not longer than the end of a process may take. */
export async function untilLeft(left: Promise<void>, log: Log): Promise<void> {
  left.catch((error: unknown) => {
    log.write('warning', 'this broker did not leave the cluster', { detail: messageOf(error) });
  });
  const tooLate = new AbortController();
  await Promise.race([left, pause(CLOSE_MS, null, { signal: tooLate.signal })]).catch(
    () => undefined,
  );
  tooLate.abort();
}

/** @param other the broker that came in this one's place */
export function nameInUse(nodeName: string, other: string): BrokerError {
  const detail = `node_name ${nodeName} is used by another broker as well (${other})`;
  return new BrokerError('NODE_NAME', `${detail}: give each one its own`);
}
