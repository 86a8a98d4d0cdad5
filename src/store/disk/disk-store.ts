/**
 * The store of a single broker that keeps what it has through a loss of power: a journal that
 * makes turns safe, and a database that they go into later. See docs/adr/0012-disk-store.md.
 *
 *     folder/
 *       lock                   who has the folder open
 *       layout                 which form the rest has
 *       journal-00000007.log   turns that the database may not have yet
 *       store.mdb              the database
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { BrokerError, messageOf } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import { nothingRead } from '../answers.js';
import type {
  Batch,
  Claim,
  ClaimRequest,
  QueueRead,
  Store,
  StoreFigures,
  StoreLoader,
  StoreObserver,
} from '../store.js';
import { Checkpoint } from './checkpoint.js';
import { Committer } from './committer.js';
import { Database } from './database.js';
import { failureOf } from './failure.js';
import { checkLayout } from './folder-layout.js';
import { FolderLock } from './folder-lock.js';
import { Journal } from './journal.js';
import { readQueue } from './queue-reader.js';
import { replay } from './replay.js';
import { type OpenSegmentFile, openSegmentFile } from './segment-file.js';
import { loadSessions } from './session-loader.js';
import { SessionTable } from './session-table.js';
import { TurnWriter } from './turn-writer.js';

const SEGMENT_BYTES = 32 * 1024 * 1024;

export interface DiskStoreOptions {
  /** Made when it is not there; nothing else may be in it. */
  readonly folder: string;
  /**
   * When a write is safe: `always` on the medium; `everysec` and `no` with the operating system,
   * which loses it only when the machine fails. `everysec` has it on the medium a second later.
   */
  readonly sync: 'always' | 'everysec' | 'no';
  readonly clock: Clock;
  readonly log: Log;
  /** Bytes of the journal after which the database follows. For tests. */
  readonly segmentBytes?: number;
  /** How long the database may take for a transaction. For tests. */
  readonly databasePatienceMs?: number;
  /** For tests. */
  readonly openFile?: OpenSegmentFile;
}

/** What there is while the store is open. */
interface Parts {
  readonly lock: FolderLock;
  readonly database: Database;
  readonly journal: Journal;
  readonly table: SessionTable;
  readonly committer: Committer;
}

export class DiskStore implements Store {
  readonly kind = 'disk';
  readonly isAtomic = true;
  readonly fabric = null;
  readonly history = null;
  private parts: Parts | null = null;
  private failure: BrokerError | null = null;
  private retained = 0;
  /** Claims that are not answered. */
  private readonly claims = new Set<(error: Error) => void>();
  private readonly options: DiskStoreOptions;

  constructor(options: DiskStoreOptions) {
    this.options = options;
  }

  async open(loader: StoreLoader, observer: StoreObserver): Promise<void> {
    assert(this.parts === null, 'the store is opened once');
    const { folder } = this.options;
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      const detail = `cannot make ${folder}: ${messageOf(error)}`;
      throw new BrokerError('STORE_FOLDER', detail, { cause: error });
    }
    const lock = await FolderLock.take(folder);
    let database: Database | null = null;
    try {
      await checkLayout(folder);
      database = new Database(join(folder, 'store.mdb'), this.options.databasePatienceMs);
      this.parts = await this.recover(lock, database, observer);
      await this.load(this.parts, loader);
    } catch (error) {
      this.parts?.committer.stop();
      await this.parts?.journal.close();
      await database?.close();
      lock.release();
      this.parts = null;
      throw error instanceof BrokerError ? error : failureOf(folder, error);
    }
  }

  wallMs(): number {
    return this.options.clock.wallMs();
  }

  claim(request: ClaimRequest): Promise<Claim> {
    const { table, committer } = this.partsOf();
    if (this.failure !== null) return Promise.reject(this.away());
    return new Promise((resolve, reject) => {
      this.claims.add(reject);
      const claim = this.guarded(() => table.claim(request));
      if (claim === null) return;
      committer.whenSafe(() => {
        this.claims.delete(reject);
        resolve(claim);
        return true;
      });
      committer.commit();
    });
  }

  leave(): void {
    // Transient clients leave nothing here.
  }

  write(batch: Batch): void {
    const { table, committer } = this.partsOf();
    if (this.failure !== null) return;
    for (const write of batch.sessions) {
      const outcome = this.guarded(() => table.write(write));
      if (outcome === null) return;
      const queue = table.sessions.get(write.clientId)?.queue ?? null;
      const endSeq = queue?.endSeq ?? 0;
      committer.whenSafe(() => {
        if (queue !== null) queue.safeEndSeq = endSeq;
        write.onDone(outcome);
        return false;
      });
    }
    for (const write of batch.retained) {
      table.writeRetained(write);
      committer.whenSafe(() => {
        write.onDone();
        return false;
      });
    }
    committer.commit();
  }

  async read(clientId: string, fromSeq: number, bytesMax: number): Promise<QueueRead> {
    const { table, database } = this.partsOf();
    if (this.failure !== null) throw this.away();
    const session = table.sessions.get(clientId);
    if (session === undefined) return nothingRead(fromSeq);
    const read = this.guarded(() => readQueue(session, database, fromSeq, bytesMax));
    if (read === null) throw this.away();
    return read;
  }

  figures(): StoreFigures {
    if (this.parts === null) return {};
    const { table, committer, database, journal } = this.parts;
    let messages = 0;
    let bytes = 0;
    for (const { queue } of table.sessions.values()) {
      messages += queue.messages;
      bytes += queue.bytes;
    }
    return {
      sessions: table.sessions.size,
      messages,
      bytes,
      retained_at_start: this.retained,
      turns: committer.turns,
      syncs: journal.syncs + database.transactions,
      transactions: database.transactions,
      pending: committer.pending,
      journal_bytes: journal.position,
      checkpoints: committer.checkpoints,
      checkpoints_running: committer.isCheckpointing ? 1 : 0,
    };
  }

  async close(): Promise<void> {
    if (this.parts === null) return;
    const { committer, journal, database, lock } = this.parts;
    try {
      await committer.finish();
    } catch (error) {
      // It was said by `onFatal`; what is left is to let go.
      if (this.failure === null) throw error;
    }
    this.parts = null;
    await journal.close();
    if (this.failure === null) await database.close();
    else database.abandon();
    lock.release();
  }

  /** Puts what the journal has into the database, and begins a segment. */
  private async recover(
    lock: FolderLock,
    database: Database,
    observer: StoreObserver,
  ): Promise<Parts> {
    const { folder, sync, log, openFile = openSegmentFile } = this.options;
    const { segmentBytes = SEGMENT_BYTES } = this.options;
    const journal = new Journal({ folder, syncsWrites: sync === 'always', openFile });
    const { floor } = database;
    const content = await journal.load(floor);
    if (content.damaged !== null) {
      const detail =
        `${content.damaged} is damaged or missing, and with it messages that were safe; ` +
        'restore the folder from a copy';
      throw new BrokerError('STORE_DAMAGED', detail);
    }
    if (content.isTorn) log.write('notice', 'store: the last turn before the crash was not whole');
    const next = Math.max(content.lastSegment + 1, floor);
    if (content.lastSegment >= floor) {
      const { length } = content.turns;
      if (length > 0) log.write('notice', 'store: recovering from the journal', { turns: length });
      await new Checkpoint(database, replay(content.turns), true).run(next);
    }
    await journal.begin(next);
    const turn = new TurnWriter();
    const table = new SessionTable(turn, database);
    const committer = new Committer({
      journal,
      turn,
      table,
      segmentBytes,
      syncsEverySecond: sync === 'everysec',
      checkpointOf: (generation) => new Checkpoint(database, generation),
      onFailure: (error) => this.fail(error, observer),
    });
    lock.onLost = () => {
      const detail = `another process has taken ${folder} while this one was stopped`;
      committer.fail(new BrokerError('STORE_LOCKED', detail));
    };
    return { lock, database, journal, table, committer };
  }

  private async load({ database, table, committer }: Parts, loader: StoreLoader): Promise<void> {
    loadSessions(database, table, loader, this.wallMs());
    database.forEachRetained((topic, record) => {
      this.retained++;
      loader.onRetained(topic, record);
    });
    await committer.settled();
  }

  private fail(error: unknown, observer: StoreObserver): void {
    this.failure = failureOf(this.options.folder, error);
    for (const reject of this.claims) reject(this.away());
    this.claims.clear();
    observer.onFatal(this.failure);
  }

  /** The result, or null when the database could not be read: then nothing goes on. */
  private guarded<T>(work: () => T): T | null {
    try {
      return work();
    } catch (error) {
      if (!isOfDatabase(error)) throw error;
      this.partsOf().committer.fail(error);
      return null;
    }
  }

  private partsOf(): Parts {
    assert(this.parts !== null, 'the store is open');
    return this.parts;
  }

  private away(): BrokerError {
    return new BrokerError('STORE_AWAY', 'the store has failed', { cause: this.failure });
  }
}

/** True for what the disk is to blame for, false for our own faults. */
function isOfDatabase(error: unknown): boolean {
  return error instanceof BrokerError || (error instanceof Error && 'code' in error);
}
