/** The write of one durable session, while the turn adds to it. */
import type { Message } from '../protocol/message.js';
import type {
  Append,
  Disconnect,
  HeldId,
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
export interface PendingMessage extends Append {
  readonly message: Message;
  readonly qos: number;
  readonly retain: boolean;
  readonly ids: readonly number[] | null;
  readonly group: SharedGroup | null;
  readonly ack: PendingAck | null;
}

/** Hears what became of a draft. */
export interface DraftOwner {
  onWritten(draft: Draft, outcome: WriteOutcome): void;
}

export class Draft implements SessionWrite {
  readonly clientId: string;
  epoch = 0;
  readonly append: PendingMessage[] = [];
  limits: QueueLimits | null = null;
  nextSeq = 0;
  settled: Settled | null = null;
  // Most drafts have messages and nothing else: these lists are made when they are needed.
  released: readonly number[] = none;
  held: readonly HeldId[] = none;
  forgotten: readonly number[] = none;
  subscribed: readonly StoredSubscription[] = none;
  unsubscribed: readonly string[] = none;
  disconnect: Disconnect | null = null;
  dismissesWill = false;
  ends = false;
  /** Messages that `settled` tells of for the first time. */
  settles = 0;
  /** Whose those and `nextSeq` are; null: nobody's. */
  tells: QueueFeed | null = null;
  /** What it weighs for the journal until it is safe. */
  bytes = 0;
  /** Called in order when all of it is safe. */
  whenSafe: readonly (() => void)[] = none;
  /** Of inbound messages: they wait whatever becomes of the write. */
  acks: readonly PendingAck[] = none;
  /** Filter → what came last about it; null: it is unsubscribed. */
  private changes: Map<string, StoredSubscription | null> | null = null;
  private readonly owner: DraftOwner;

  constructor(clientId: string, owner: DraftOwner) {
    this.clientId = clientId;
    this.owner = owner;
  }

  onDone(outcome: WriteOutcome): void {
    this.owner.onWritten(this, outcome);
  }

  hold(held: HeldId, ack: PendingAck | null): void {
    this.held = withMore(this.held, held);
    if (ack !== null) this.acks = withMore(this.acks, ack);
  }

  release(seq: number): void {
    this.released = withMore(this.released, seq);
  }

  forget(packetId: number): void {
    this.forgotten = withMore(this.forgotten, packetId);
  }

  callWhenSafe(then: () => void): void {
    this.whenSafe = withMore(this.whenSafe, then);
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
      if (subscription === null) this.unsubscribed = withMore(this.unsubscribed, filter);
      else this.subscribed = withMore(this.subscribed, subscription);
    }
    this.changes = null;
  }
}

const none: readonly never[] = [];

/** The list with one more; the empty one is everybody's. */
function withMore<T>(list: readonly T[], item: T): readonly T[] {
  if (list.length === 0) return [item];
  (list as T[]).push(item);
  return list;
}
