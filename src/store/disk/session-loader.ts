/**
 * Fills the table of sessions from the database, and tells the broker what it must know of them.
 * Queues are not read.
 */
import type { StoreLoader } from '../store.js';
import type { Database } from './database.js';
import type { DiskSession } from './disk-session.js';
import { kindOfRecord, numberOfRecord, RecordKind } from './keys.js';
import * as records from './session-records.js';
import type { SessionTable } from './session-table.js';

export function loadSessions(
  database: Database,
  table: SessionTable,
  loader: StoreLoader,
  nowMs: number,
): void {
  let current: SessionRecords | null = null;
  const finish = (): void => {
    current?.finish(table, loader, nowMs);
  };
  database.forEachRecord((key, value) => {
    const number = numberOfRecord(key);
    if (current?.number !== number) {
      finish();
      current = new SessionRecords(number);
    }
    if (kindOfRecord(key) === RecordKind.Subscription) {
      const session = current.finish(table, loader, nowMs);
      const { clientId } = session;
      loader.onSubscription(clientId, records.decodeSubscription(value));
    } else {
      current.byKind[kindOfRecord(key)] = value;
    }
  });
  finish();
  table.onLoaded();
}

/** The records of one session as they come, all others before its subscriptions. */
class SessionRecords {
  readonly number: number;
  readonly byKind: (Buffer | undefined)[] = [];
  private session: DiskSession | null = null;

  constructor(number: number) {
    this.number = number;
  }

  /** Once all but the subscriptions have come; does nothing when it is called again. */
  finish(table: SessionTable, loader: StoreLoader, nowMs: number): DiskSession {
    if (this.session !== null) return this.session;
    const { byKind } = this;
    const identity = records.decodeIdentity(byKind[RecordKind.Identity]!);
    const stored = records.decodeFate(byKind[RecordKind.Fate]!);
    const state = records.readState(byKind[RecordKind.State]!);
    const lists = byKind[RecordKind.Lists];
    const held = byKind[RecordKind.Held];
    const { will, ...fate } = stored.isConnected
      ? records.orphaned(stored, nowMs, state.endSeq)
      : stored;
    const session = table.add(identity, this.number, fate);
    session.restore(
      state,
      lists === undefined ? null : records.decodeLists(lists),
      held === undefined ? [] : records.decodeHeld(held),
    );
    // Its time counts from now on, however often the broker is started until then.
    if (stored.isConnected) table.setFate(session, fate, will);
    const { clientId, info } = identity;
    const { expiresAtMs, willAtMs } = fate;
    const { epoch, messages } = state;
    loader.onSession({ clientId, epoch, info, expiresAtMs, will, willAtMs, messages });
    this.session = session;
    return session;
  }
}
