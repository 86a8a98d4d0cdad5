/** What the lanes of sessions have in common: see `RedisStore`. */

import type { Disconnect, SessionWrite, WriteStatus } from '../store.js';
import type { Appended } from './fabric/frames.js';
import type { Keys } from './keys.js';
import type { LaneHome } from './lane.js';
import type { SessionLane } from './session-lane.js';

export interface SessionHome extends LaneHome {
  readonly keys: Keys;
  /** Clients whose queue was full a moment ago. */
  readonly full: Set<string>;
  /** Whole seconds, for what the store forgets by age. */
  seconds(): number;
  /** When the session of a publisher began; 0: it is not connected here. */
  birthOf(clientId: string): number;
  onFull(clientId: string): void;
  onLaneIdle(lane: SessionLane): void;
  /** Messages went to the queue of a client that is connected to another broker. */
  onAppendedElsewhere(owner: string, appended: Appended): void;
  /**
   * A call changed subscriptions in the session; `onMapped` when the map has them as well, `onDone`
   * when all brokers know.
   */
  onSubscriptions(
    write: SessionWrite,
    call: number,
    onMapped: () => void,
    onDone: () => void,
  ): void;
  /** A write ended the session; `onDone` when the map has forgotten its filters. */
  onEnded(write: SessionWrite, epoch: number, filters: readonly string[], onDone: () => void): void;
  onDisconnected(write: SessionWrite, disconnect: Disconnect): void;
  /** The owner was told that it is none any more. */
  onDisowned(write: SessionWrite, status: WriteStatus): void;
}
