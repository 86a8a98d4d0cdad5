/**
 * Messages that another broker put in the queue of a session that is connected here. It tells of
 * them; but one that dies in between does not, so now and then somebody looks.
 */
import type { Journal, Retry } from './journal.js';
import type { QueueFeed } from './queue-feed.js';

/** Enough to see whether there is anything. */
const LOOK_BYTES = 1;

/** The session, as far as this is about it. */
export interface QueueOwner extends Retry {
  readonly clientId: string;
  /** Null: the client is not here. */
  readonly feed: QueueFeed | null;
  /** One past the last number that is known to be safe. */
  endSeq: number;
  /** Writes of this broker whose place in the queue is not known yet. */
  readonly underway: number;
  /** So many more are in the queue, of a client that is not here. */
  onMore(count: number): void;
  onFed(): void;
}

/**
 * @param endSeq one past the last number
 * @param records of the last ones, ascending
 */
export function onAppendedElsewhere(
  owner: QueueOwner,
  endSeq: number,
  records: readonly Buffer[],
): void {
  const { feed } = owner;
  const more = endSeq - owner.endSeq;
  if (more <= 0) return;
  owner.endSeq = endSeq;
  if (feed === null) {
    owner.onMore(more);
    return;
  }
  feed.onRecords(endSeq - records.length, records);
  feed.refill();
  owner.onFed();
}

/** Looks whether there is more than is known. */
export function lookForMore(owner: QueueOwner, journal: Journal): void {
  const { feed, clientId, endSeq } = owner;
  if (feed === null) return;
  if (owner.underway > 0) {
    // What is on its way may be in the queue and not safe yet.
    journal.retryLater(owner);
    return;
  }
  journal.store.read(clientId, endSeq, LOOK_BYTES).then(
    ({ nextSeq }) => {
      if (owner.feed !== feed || owner.underway > 0 || nextSeq <= owner.endSeq) return;
      journal.beginTurn();
      onAppendedElsewhere(owner, nextSeq, []);
      lookForMore(owner, journal);
    },
    () => journal.retryLater(owner),
  );
}
