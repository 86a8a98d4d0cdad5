/** The write of one durable session, while the turn adds to it. */
import type { Message } from '../protocol/message.js';
import type {
  Append,
  Disconnect,
  HeldId,
  Mark,
  QueueLimits,
  SessionWrite,
  Settled,
  StoredSubscription,
  WriteOutcome,
} from '../store/store.js';
import type { PendingAck } from './pending-acks.js';
import type { QueueFeed } from './queue-feed.js';
import type { SharedGroup } from './shared-group.js';

/** A message that is on its way to a session's queue. */
export interface PendingMessage {
  readonly message: Message;
  readonly qos: number;
  readonly retain: boolean;
  readonly ids: readonly number[] | null;
  readonly group: SharedGroup | null;
  /** Of a QoS 2 publication, whatever the QoS of the delivery. */
  readonly mark: Mark | null;
  readonly ack: PendingAck | null;
}

export class Draft implements SessionWrite {
  readonly clientId: string;
  epoch = 0;
  readonly append: Append[] = [];
  /** As `append`. */
  readonly messages: PendingMessage[] = [];
  limits: QueueLimits | null = null;
  nextSeq = 0;
  settled: Settled | null = null;
  readonly released: number[] = [];
  readonly held: HeldId[] = [];
  readonly forgotten: number[] = [];
  readonly subscribed: StoredSubscription[] = [];
  readonly unsubscribed: string[] = [];
  disconnect: Disconnect | null = null;
  dismissesWill = false;
  ends = false;
  /** Messages that `settled` tells of for the first time. */
  settles = 0;
  /** Whose they are; null: nobody's. */
  settlesFor: QueueFeed | null = null;
  /** What it weighs for the journal until it is safe. */
  bytes = 0;
  /** Called in order when all of it is safe. */
  readonly whenSafe: (() => void)[] = [];
  /** Of inbound messages: they wait whatever becomes of the write. */
  readonly acks: PendingAck[] = [];
  readonly onDone: (outcome: WriteOutcome) => void;
  /** Filter → what came last about it; null: it is unsubscribed. */
  private changes: Map<string, StoredSubscription | null> | null = null;

  constructor(clientId: string, onDone: (draft: Draft, outcome: WriteOutcome) => void) {
    this.clientId = clientId;
    this.onDone = (outcome) => onDone(this, outcome);
  }

  /** @param subscription null: there is none any more */
  changeSubscription(filter: string, subscription: StoredSubscription | null): void {
    this.changes ??= new Map();
    this.changes.set(filter, subscription);
  }

  /** A store takes `subscribed` before `unsubscribed`, so a filter is in one of them only. */
  finish(): void {
    if (this.changes === null) return;
    for (const [filter, subscription] of this.changes) {
      if (subscription === null) this.unsubscribed.push(filter);
      else this.subscribed.push(subscription);
    }
    this.changes = null;
  }
}
