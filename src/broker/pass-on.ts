/**
 * What a stored session leaves for other members of its shared subscriptions when it ends: QoS 1
 * that was not acknowledged, QoS 2 whose delivery had not begun [MQTT-4.8.2-5].
 *
 * A crash in between must not give a QoS 2 message to two members. Where a turn happens as a whole,
 * what others get and what is done with here are in one turn. Elsewhere, in steps:
 *
 *     step: a run of messages ──▶ one durable member, in one write ──safe──▶ settled here
 *
 * A step that a crash repeats goes to the same member, since the choice depends on nothing that a
 * restart changes; and the member has the marks of its messages. They are given as if the client
 * had published them after all that it did publish: nobody else has such marks.
 */
import { BrokerError } from '../base/errors.js';
import { MqttError } from '../protocol/mqtt-error.js';
import type { Claim, QueuedRecord } from '../store/store.js';
import type { BrokerContext } from './context.js';
import type { Journal } from './journal.js';
import { DropReason } from './metrics.js';
import { onceSafe } from './pending-acks.js';
import { Resumed, Sent } from './resumed.js';
import type { Session } from './session.js';
import { encodeInfo } from './stored-client.js';
import { messageOfRecord, type QueuedMessage } from './stored-message.js';
import type { StoredSession } from './stored-session.js';
import type { TopicTable } from './topics.js';

const BYTES_AT_ONCE = 256 * 1024;
/** Numbers of the messages that go to one member together. */
const STEP_SEQS = 256;

/** What passing on needs. */
export interface PassOn {
  readonly journal: Journal;
  readonly context: BrokerContext;
  readonly topics: TopicTable;
  /**
   * Gives a message to another member; false: there is none.
   *
   * @param key leads to the same member each time; null: any will do
   */
  readonly redeliver: (queued: QueuedMessage, key: string | null) => boolean;
}

/** A message that is left. */
interface Left {
  readonly seq: number;
  /** Null: it cannot be read, and was counted. */
  readonly queued: QueuedMessage | null;
  /** A member that gets it now is the first. */
  readonly mayPassOn: boolean;
}

/**
 * Reads the queue of a session that is over, and deletes it. When this fails it can be begun again.
 *
 * @throws BrokerError `STORE_AWAY`
 */
export async function passOnQueue(
  session: Session,
  stored: StoredSession,
  passOn: PassOn,
): Promise<void> {
  const { journal } = passOn;
  const { store } = journal;
  const { clientId } = session;
  journal.flush();
  const claim = await store.claim({
    clientId,
    connects: false,
    cleanStart: false,
    isDurable: true,
    expiryInterval: 0,
    info: encodeInfo(session.identity),
    will: null,
    willDelay: 0,
  });
  stored.epoch = claim.epoch;
  const passing = new Passing(session, stored, claim, passOn);
  for (let from = claim.firstSeq; from < claim.endSeq; ) {
    const { records, nextSeq } = await store.read(clientId, from, BYTES_AT_ONCE);
    if (nextSeq <= from) break;
    from = Math.min(nextSeq, claim.endSeq);
    await passing.page(records, from);
  }
  journal.beginTurn();
  stored.end();
}

class Passing {
  private readonly session: Session;
  private readonly stored: StoredSession;
  private readonly claim: Claim;
  private readonly resumed: Resumed;
  private readonly passOn: PassOn;

  constructor(session: Session, stored: StoredSession, claim: Claim, passOn: PassOn) {
    this.session = session;
    this.stored = stored;
    this.claim = claim;
    this.resumed = new Resumed(claim, passOn.journal.limits);
    this.passOn = passOn;
  }

  /** Resolves when all of a page is with others; begun again, it goes on behind that. */
  async page(records: readonly QueuedRecord[], endSeq: number): Promise<void> {
    this.passOn.journal.beginTurn();
    const left = this.leftOf(records);
    if (this.passOn.journal.isAtomic) {
      await this.step(left, endSeq, null);
      return;
    }
    for (let at = 0; at < left.length; ) {
      const end = endOfStep(left, at);
      const block = Math.floor(left[at]!.seq / STEP_SEQS);
      const stepEndSeq = end < left.length ? left[end]!.seq : endSeq;
      await this.step(left.slice(at, end), stepEndSeq, `${this.session.clientId}\0${block}`);
      at = end;
    }
  }

  private leftOf(records: readonly QueuedRecord[]): Left[] {
    const { claim, resumed } = this;
    const left: Left[] = [];
    for (const { seq, record } of records) {
      if (seq >= claim.endSeq || resumed.done.has(seq)) continue;
      const sent = resumed.sentBefore(seq);
      if (resumed.released.has(seq)) continue;
      const queued = this.decode(seq, record);
      const isFirst = queued !== null && (queued.qos < 2 || sent === Sent.No);
      left.push({ seq, queued, mayPassOn: isFirst && queued.sharedFilter !== '' });
    }
    return left;
  }

  /**
   * Resolves when all of it is safe in the queues of others.
   *
   * @param key of the member for QoS 2, whose messages get marks; null: a crash repeats nothing
   */
  private step(left: readonly Left[], endSeq: number, key: string | null): Promise<void> {
    const { session, stored, claim } = this;
    const { journal, context, redeliver } = this.passOn;
    journal.beginTurn();
    journal.begin();
    for (const { seq, queued, mayPassOn } of left) {
      if (queued === null) continue;
      const isOnce = key !== null && queued.qos === 2;
      const mark = { publisherId: session.clientId, number: claim.nextNumber + seq };
      journal.markWith(isOnce ? mark : null);
      if (mayPassOn && redeliver(queued, isOnce ? key : null)) continue;
      context.drop(DropReason.SessionEnded, queued.message, session);
    }
    const pending = journal.end();
    if (journal.isAtomic) stored.settleBelow(endSeq);
    return new Promise((resolve) => {
      onceSafe(pending, () => {
        if (!journal.isAtomic) stored.settleBelow(endSeq);
        resolve();
      });
    });
  }

  /** Null: it cannot be read, and was counted. */
  private decode(seq: number, record: Buffer): QueuedMessage | null {
    const { context, topics, journal } = this.passOn;
    try {
      return messageOfRecord(record, topics, journal, context.flightSlab);
    } catch (error) {
      if (!(error instanceof BrokerError || error instanceof MqttError)) throw error;
      context.storage!.onUnreadable(this.session, seq, error);
      return null;
    }
  }
}

/** Messages of one step have come through one subscription, and their numbers are near. */
function endOfStep(left: readonly Left[], from: number): number {
  const first = left[from]!;
  let end = from + 1;
  while (end < left.length && isInStep(first, left[end]!)) end++;
  return end;
}

function isInStep(first: Left, other: Left): boolean {
  if (Math.floor(first.seq / STEP_SEQS) !== Math.floor(other.seq / STEP_SEQS)) return false;
  return first.queued?.sharedFilter === other.queued?.sharedFilter;
}
