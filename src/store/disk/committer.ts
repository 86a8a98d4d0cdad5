/**
 * Makes turns safe, one after the other, and then says so. Hot path.
 *
 * While one turn is on its way to the journal, what comes meanwhile gathers for the next one. A
 * full segment is closed with the turn that fills it; its generation goes into the database in the
 * background, while turns go on into the next segment.
 *
 * The first error is the last thing that happens: what was not said to be safe by then never is,
 * and nothing is tried again, since nobody can know what a disk that failed once has kept.
 */
import type { Checkpoint } from './checkpoint.js';
import type { Generation } from './generation.js';
import type { Journal } from './journal.js';
import type { SessionTable } from './session-table.js';
import type { TurnWriter } from './turn-writer.js';

const SYNC_EVERY_MS = 1_000;
/** So many segments' worth may be in one while the one before goes into the database. */
const SEGMENT_GROWTH_MAX = 2;

/** Called when what it belongs to is safe; true: what comes after it waits for the next turn. */
export type Completion = () => boolean;

export interface CommitterOptions {
  readonly journal: Journal;
  readonly turn: TurnWriter;
  readonly table: SessionTable;
  readonly segmentBytes: number;
  readonly syncsEverySecond: boolean;
  readonly checkpointOf: (generation: Generation) => Pick<Checkpoint, 'run'>;
  readonly onFailure: (error: unknown) => void;
}

export class Committer {
  turns = 0;
  checkpoints = 0;
  private failure: { readonly error: unknown } | null = null;
  private readonly waiters = new Set<(error: unknown) => void>();
  /** Of what is not on its way yet. */
  private waiting: Completion[] = [];
  /** Of what is safe. */
  private ready: Completion[] = [];
  /** Those before it were called. */
  private readyAt = 0;
  private isDraining = false;
  private isRunning = false;
  /** Null: none is under way. */
  private checkpoint: Promise<void> | null = null;
  private timer: NodeJS.Timeout | null = null;
  private readonly options: CommitterOptions;

  constructor(options: CommitterOptions) {
    this.options = options;
    if (!options.syncsEverySecond) return;
    this.timer = setInterval(() => {
      options.journal.sync().catch((error: unknown) => this.fail(error));
    }, SYNC_EVERY_MS);
    this.timer.unref();
  }

  get isCheckpointing(): boolean {
    return this.checkpoint !== null;
  }

  get pending(): number {
    return this.waiting.length + this.ready.length - this.readyAt;
  }

  /** Calls back when all that was written up to now is safe, after what was asked for before. */
  whenSafe(completion: Completion): void {
    this.waiting.push(completion);
  }

  /** Begins as soon as the disk is free. */
  commit(): void {
    if (this.isRunning || this.failure !== null) return;
    this.isRunning = true;
    this.run().catch((error: unknown) => this.fail(error));
  }

  /** Resolves when all that was written up to now is safe and was said to be; or fails. */
  settled(): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.failure.error);
    return new Promise((resolve, reject) => {
      this.waiters.add(reject);
      this.whenSafe(() => {
        this.waiters.delete(reject);
        resolve();
        return false;
      });
      this.commit();
    });
  }

  /** Puts everything into the database. Nothing may be written any more. */
  async finish(): Promise<void> {
    await this.settled();
    this.stop();
    await this.checkpoint;
    const { table, journal } = this.options;
    if (this.failure !== null || table.generation.isEmpty) return;
    await journal.sync();
    await this.putIntoDatabase(table.closeGeneration(), journal.segment);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  fail(error: unknown): void {
    if (this.failure !== null) return;
    this.failure = { error };
    this.waiting = [];
    this.ready = [];
    this.readyAt = 0;
    this.stop();
    this.options.onFailure(error);
    for (const reject of this.waiters) reject(error);
    this.waiters.clear();
  }

  private async run(): Promise<void> {
    const { turn, journal } = this.options;
    while (this.waiting.length > 0) {
      const isFarAhead = journal.position > SEGMENT_GROWTH_MAX * this.options.segmentBytes;
      if (isFarAhead && this.checkpoint !== null) await this.checkpoint;
      if (this.failure !== null) return;
      const done = this.waiting;
      this.waiting = [];
      const closed = turn.length > 0 ? await this.append() : null;
      // A checkpoint may have failed meanwhile: nothing is said after `onFailure`.
      if (this.failure !== null) return;
      this.becomeReady(done);
      if (closed !== null) await this.beginSegment(closed);
    }
    this.isRunning = false;
  }

  /** Writes the turn; returns the generation that ends with it, if one does. */
  private async append(): Promise<Generation | null> {
    const { turn, journal, table, segmentBytes } = this.options;
    const bytes = turn.length;
    const isFull = journal.position + bytes >= segmentBytes && this.checkpoint === null;
    const closed = isFull ? table.closeGeneration() : null;
    this.turns++;
    await journal.append(turn.seal(journal.segment), bytes);
    return closed;
  }

  private async beginSegment(closed: Generation): Promise<void> {
    const { journal } = this.options;
    const full = journal.segment;
    // Before anything is in the next one, and before any of it is in the database.
    await journal.sync();
    await journal.begin(full + 1);
    this.checkpoint = this.putIntoDatabase(closed, full)
      .then(() => journal.release(full, 2 * this.options.segmentBytes))
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.checkpoint = null;
      });
  }

  private async putIntoDatabase(closed: Generation, segment: number): Promise<void> {
    await this.options.checkpointOf(closed).run(segment + 1);
    this.checkpoints++;
    this.options.table.onCheckpoint(closed);
  }

  private becomeReady(done: readonly Completion[]): void {
    for (const completion of done) this.ready.push(completion);
    if (this.isDraining || this.ready.length === 0) return;
    this.isDraining = true;
    // On its own, so that what goes wrong in there is not taken for a failure of the disk.
    queueMicrotask(() => this.drain());
  }

  private drain(): void {
    while (this.readyAt < this.ready.length) {
      const completion = this.ready[this.readyAt++]!;
      if (!completion()) continue;
      // A claim: whoever waits for its promise is to go on first.
      setImmediate(() => this.drain());
      return;
    }
    this.ready = [];
    this.readyAt = 0;
    this.isDraining = false;
  }
}
