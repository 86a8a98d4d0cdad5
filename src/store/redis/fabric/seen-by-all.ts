/** A broker that joins waits until all who are alive count it in what they wait for. */
import { setTimeout as pause } from 'node:timers/promises';
import { JOIN_LOOK_MS } from '../tuning.js';
import type { FabricHome, FabricTimes } from './fabric-home.js';
import type { Members, Membership } from './membership.js';

export interface Joining {
  readonly home: FabricHome;
  readonly membership: Membership;
  readonly times: FabricTimes;
  readonly node: string;
  /** Version of the list that has it. */
  readonly version: number;
}

/**
 * @param members as of the last word
 * @param isOver it was taken for dead meanwhile, or ends
 * @returns false when it was over before
 */
export async function untilSeenByAll(
  { home, membership, node, times, version }: Joining,
  members: () => Members,
  isOver: () => boolean,
): Promise<boolean> {
  const { clock, log } = home.options;
  let logAtMs = clock.nowMs() + times.slowMs;
  while (!isOver()) {
    const { live, seen } = members();
    const waitsFor = live.filter((one) => one !== node && (seen.get(one) ?? 0) < version);
    if (waitsFor.length === 0) return true;
    if (clock.nowMs() >= logAtMs) {
      logAtMs += times.leaseMs;
      log.write('notice', 'this broker waits for others to see it', { nodes: waitsFor.join(' ') });
    }
    membership.look();
    await pause(JOIN_LOOK_MS);
  }
  return false;
}
