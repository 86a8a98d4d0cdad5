/** How the writes of a batch get into their lanes when some wait for what publishers hold. */
import type { SessionWrite } from '../store.js';
import { Gate } from './gate.js';
import type { SessionLane } from './session-lane.js';
import { type Births, Part, WriteItem } from './write-item.js';

export interface EnqueueHome extends Births {
  laneOf(clientId: string): SessionLane;
}

/** True when messages of a batch have to wait for what publishers hold. Hot path. */
export function needsGate(sessions: readonly SessionWrite[]): boolean {
  let hasHeld = false;
  let hasAppend = false;
  for (let index = 0; index < sessions.length; index++) {
    const { append, held } = sessions[index]!;
    if (held.length > 0) hasHeld = true;
    if (append.length > 0) hasAppend = true;
  }
  return hasHeld && hasAppend;
}

/** @param lanes takes those that have something to send */
export function enqueueGated(
  home: EnqueueHome,
  sessions: readonly SessionWrite[],
  lanes: SessionLane[],
): void {
  let gate = new Gate();
  const seen = new Set<string>();
  for (const write of sessions) {
    // A session that comes twice would wait for itself.
    if (seen.has(write.clientId)) {
      gate = new Gate();
      seen.clear();
    }
    seen.add(write.clientId);
    const lane = home.laneOf(write.clientId);
    lanes.push(lane);
    if (write.held.length === 0 && write.append.length === 0) {
      lane.add(new WriteItem(write, Part.Whole, null, home));
      continue;
    }
    const rest = new WriteItem(write, Part.Rest, gate, home);
    if (write.held.length > 0) {
      gate.begin();
      const held = new WriteItem(write, Part.Held, gate, home);
      held.rest = rest;
      lane.add(held);
    }
    lane.add(rest);
  }
}
