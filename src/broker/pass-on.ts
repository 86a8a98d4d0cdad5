/**
 * What a stored session leaves for other members of its shared subscriptions when it ends: QoS 1
 * that was not acknowledged, QoS 2 whose delivery had not begun [MQTT-4.8.2-5].
 */
import { BrokerError } from '../base/errors.js';
import { MqttError } from '../protocol/mqtt-error.js';
import type { Claim, QueuedRecord } from '../store/store.js';
import type { BrokerContext } from './context.js';
import type { Journal } from './journal.js';
import { DropReason } from './metrics.js';
import { onceSafe } from './pending-acks.js';
import type { Session } from './session.js';
import { encodeInfo } from './stored-client.js';
import { messageOfRecord, type QueuedMessage } from './stored-message.js';
import type { StoredSession } from './stored-session.js';
import type { TopicTable } from './topics.js';

const BYTES_AT_ONCE = 256 * 1024;

/** What passing on needs. */
export interface PassOn {
  readonly journal: Journal;
  readonly context: BrokerContext;
  readonly topics: TopicTable;
  /** Gives a message to another member; false: there is none. */
  readonly redeliver: (queued: QueuedMessage) => boolean;
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
    cleanStart: false,
    isDurable: true,
    expiryInterval: 0,
    info: encodeInfo(session.identity),
    will: null,
    willDelay: 0,
  });
  stored.epoch = claim.epoch;
  const done = new Set([...claim.done, ...claim.released]);
  for (let from = claim.firstSeq; from < claim.endSeq; ) {
    const { records, nextSeq } = await store.read(clientId, from, BYTES_AT_ONCE);
    const left = records.filter(({ seq }) => !done.has(seq) && seq < claim.endSeq);
    await passOnRecords(session, left, claim, passOn);
    if (nextSeq <= from) break;
    from = Math.min(nextSeq, claim.endSeq);
    // With the others now; begun again, it goes on from here.
    stored.settleBelow(from);
  }
  journal.beginTurn();
  stored.end();
}

/** Resolves when all of it is safe in the queues of others. */
function passOnRecords(
  session: Session,
  records: readonly QueuedRecord[],
  claim: Claim,
  passOn: PassOn,
): Promise<void> {
  const { journal, context } = passOn;
  journal.beginTurn();
  journal.begin();
  for (const { seq, record } of records) {
    const queued = decode(session, seq, record, passOn);
    if (queued === null) continue;
    if (mayPassOn(queued, seq, claim) && passOn.redeliver(queued)) continue;
    context.drop(DropReason.SessionEnded, queued.message, session);
  }
  const pending = journal.end();
  return new Promise((resolve) => onceSafe(pending, resolve));
}

/** Null: it cannot be read, and was counted. */
function decode(
  session: Session,
  seq: number,
  record: Buffer,
  { context, topics, journal }: PassOn,
): QueuedMessage | null {
  try {
    return messageOfRecord(record, topics, journal.wallOffsetMs);
  } catch (error) {
    if (!(error instanceof BrokerError || error instanceof MqttError)) throw error;
    context.storage!.onUnreadable(session, seq, error);
    return null;
  }
}

function mayPassOn({ sharedFilter, qos }: QueuedMessage, seq: number, claim: Claim): boolean {
  return sharedFilter !== '' && (qos < 2 || seq >= claim.nextSeq);
}
