/** A broker that joins waits until all who are alive count it in what they wait for. */
import { setTimeout as pause } from 'node:timers/promises';
import { JOIN_LOOK_MS } from '../tuning.js';
import type { FabricHome, FabricTimes } from './fabric-home.js';
import type { Members } from './membership.js';

export interface Joining {
  /** As they are known. */
  readonly members: () => Members;
  /** Asks for them anew. */
  readonly look: () => void;
  /** It was taken for dead meanwhile. */
  readonly isOver: () => boolean;
}

/**
 * @param version of the list of members since it is on it
 * @returns false when it was taken for dead
 */
export async function untilSeenByAll(
  node: string,
  version: number,
  { members, look, isOver }: Joining,
  { options: { clock, log } }: Pick<FabricHome, 'options'>,
  times: FabricTimes,
): Promise<boolean> {
  let logAtMs = clock.nowMs() + times.slowMs;
  while (!isOver()) {
    const { live, seen } = members();
    const waitsFor = live.filter((one) => one !== node && (seen.get(one) ?? 0) < version);
    if (waitsFor.length === 0) return true;
    if (clock.nowMs() >= logAtMs) {
      logAtMs += times.leaseMs;
      log.write('notice', 'this broker waits for others to see it', { nodes: waitsFor.join(' ') });
    }
    look();
    await pause(JOIN_LOOK_MS);
  }
  return false;
}
