/** The durations of a fabric but in tests. */
import { FREEZE_MS, LEASE_MARGIN_MS, LEASE_MS, MEMBER_TICK_MS, SLOW_PEER_MS } from '../tuning.js';
import type { FabricTimes } from './fabric-home.js';

export const usualTimes: FabricTimes = {
  leaseMs: LEASE_MS,
  tickMs: MEMBER_TICK_MS,
  freezeMs: FREEZE_MS,
  marginMs: LEASE_MARGIN_MS,
  slowMs: SLOW_PEER_MS,
};
