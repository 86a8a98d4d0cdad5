/** The end of a run: everybody gets what is due, and then nothing comes any more. */
import { until } from '../support/until.js';
import type { Crowd } from './crowd.js';

/** Nothing came for so long: what is missing will not come. */
const stallMs = 20_000;
const drainMsMax = 300_000;
/** After the end: nothing came for so long, so no repeat is on its way either. */
const quietMs = 500;
const backMsMax = 30_000;

/** Until all that is due has come, or nothing comes any more. @returns what is missing, in words */
export async function untilDrained(crowd: Crowd): Promise<string> {
  crowd.stopPublishing();
  let progress = -1;
  let changedMs = performance.now();
  const isDrained = (): boolean => {
    const now = performance.now();
    if (progress !== crowd.progress) changedMs = now;
    progress = crowd.progress;
    return crowd.outstanding === '' || now - changedMs > stallMs;
  };
  await until('the drain', isDrained, { deadlineMs: drainMsMax });
  return crowd.outstanding;
}

/** Until everybody is connected, and nothing has come to anybody for a moment. */
export async function untilQuiet(crowd: Crowd): Promise<void> {
  const absent = (): string[] =>
    crowd.clients.filter((one) => !one.isConnected).map(({ clientId }) => clientId);
  const isComplete = (): boolean => absent().length === 0;
  await until('everybody to be back', isComplete, { deadlineMs: backMsMax }).catch(() =>
    crowd.breaches.push(`not back: ${absent().join(', ')}`),
  );
  const last = (): number => Math.max(...crowd.readers.map(({ lastPacketMs }) => lastPacketMs));
  const endMs = performance.now();
  const isQuiet = (): boolean => performance.now() - Math.max(last(), endMs) > quietMs;
  await until('silence', isQuiet, { deadlineMs: backMsMax });
}
