/** What all parts of one broker core share. */
import type { Slab } from '../base/block.js';
import type { Clock } from '../base/clock.js';
import type { DeadlineHeap } from '../base/deadline-heap.js';
import type { Log } from '../base/log.js';
import type { Prng } from '../base/prng.js';
import type { DeliveryConfig } from '../config/config.js';
import type { Limits } from '../config/limits.js';
import type { Message } from '../protocol/message.js';
import type { Journal } from './journal.js';
import type { Kin } from './kin.js';
import type { DropReason, Metrics } from './metrics.js';
import type { Observer } from './observer.js';
import type { ChunkPool, Output } from './output.js';
import type { Peers } from './peers.js';
import type { Session } from './session.js';
import type { Storage } from './storage.js';
import type { Turn } from './turn.js';

export interface BrokerContext {
  readonly delivery: DeliveryConfig;
  readonly limits: Limits;
  readonly turn: Turn;
  readonly pool: ChunkPool;
  /** See `Output`: runs end before the bytes that they lie in are given up. */
  readonly openRuns: Output[];
  readonly metrics: Metrics;
  /** How often packets were taken from what was read: see `Sender.hasSentRaw`. */
  readonly parses: number;
  readonly deadlines: DeadlineHeap;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly log: Log;
  /** Of a durable store; null: sessions and retained messages live in memory. */
  readonly journal: Journal | null;
  readonly storage: Storage | null;
  /** The other brokers of a cluster; null: the store is ours alone. */
  readonly peers: Peers | null;
  readonly observer: Observer;
  readonly kin: Kin;
  /** For messages in flight, which are soon gone. */
  readonly flightSlab: Slab;
  /** For messages that stay: retained ones, queues of offline sessions. */
  readonly restSlab: Slab;
  /** Another broker has the session. */
  giveAway(session: Session): void;
  /** Counts a dropped message (promise P6), by reason and for its session. */
  drop(reason: DropReason, message: Message, session?: Session): void;
  /** As `drop`; null: the message is not at hand, only that there was one. */
  dropFor(reason: DropReason, message: Message | null, session: Session): void;
  /** As `drop`, of so many messages, none of which is at hand. */
  dropMany(reason: DropReason, count: number, session: Session): void;
}
