/** What every store answers, and asks itself, in the same way. */
import type { Claim, QueueRead, SessionWrite, WriteOutcome, WriteStatus } from './store.js';

/** A claim of a client whose session ends with its connection. */
export const nothingStored: Claim = Object.freeze({
  epoch: 0,
  isPresent: false,
  subscriptions: [],
  firstSeq: 1,
  done: [],
  released: [],
  lapsed: [],
  endSeq: 1,
  nextSeq: 1,
  unsentSeq: 1,
  held: [],
  isHeldRouted: true,
  nextNumber: 1,
  lastWill: null,
});

/** A read of a session that is not there. */
export function nothingRead(fromSeq: number): QueueRead {
  return { records: [], nextSeq: fromSeq, lapsed: [] };
}

/** A write that changes nothing yet. */
export function emptyWrite(clientId: string): SessionWrite {
  return {
    clientId,
    epoch: 0,
    append: [],
    limits: null,
    nextSeq: 0,
    settled: null,
    released: [],
    held: [],
    forgotten: [],
    subscribed: [],
    unsubscribed: [],
    disconnect: null,
    dismissesWill: false,
    ends: false,
    onDone: () => undefined,
  };
}

/** A write that changed nothing. */
export function refused(status: WriteStatus): WriteOutcome {
  return { status, firstSeq: 0, taken: null, dropped: [], lost: 0 };
}

/** What is left of a write when its session belongs to somebody else by now. */
export function messagesOnly({ append, clientId, limits, onDone }: SessionWrite): SessionWrite {
  return { ...emptyWrite(clientId), append, limits, onDone };
}

/** True for a write that does what only the owner of a session may do. */
export function isMoreThanAppend(write: SessionWrite): boolean {
  return (
    write.ends ||
    write.dismissesWill ||
    write.disconnect !== null ||
    write.settled !== null ||
    write.nextSeq > 0 ||
    write.released.length > 0 ||
    write.held.length > 0 ||
    write.forgotten.length > 0 ||
    write.subscribed.length > 0 ||
    write.unsubscribed.length > 0
  );
}
