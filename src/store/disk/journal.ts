/**
 * The journal: turns in the order in which they happened, in segment files `journal-<number>.log`.
 * It is what makes a write safe; the database follows in large steps (`Checkpoint`), and a segment
 * that is all in the database is used again.
 *
 * Appending a turn to a file that is already there is the cheapest thing a disk can make safe: a
 * few hundred microseconds, against milliseconds and many pages for a commit of the database.
 *
 *     segment 7                segment 8
 *     ├ turn ┼ turn ┼ turn ┤   ├ turn ┼ turn ┼─ zeros or frames of an older segment ─┤
 *     └ being put into the     └ position
 *       database
 */
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FileWindow } from './file-window.js';
import { readSegment, type SegmentContent } from './frame.js';
import { type OpenSegmentFile, type SegmentFile, syncFolder } from './segment-file.js';

/** Written ahead of the position, so that appending does not change the file's size. */
const FILL_BYTES = 1024 * 1024;
const zeros = Buffer.alloc(FILL_BYTES);
const NAME = /^journal-(\d{1,15})\.log$/;

export interface JournalOptions {
  readonly folder: string;
  /** `append` returns when the turn is on the medium, not only with the operating system. */
  readonly syncsWrites: boolean;
  readonly openFile: OpenSegmentFile;
}

/** What is in the journal when the store is opened. */
export interface JournalContent {
  /** Bodies of frames, turn by turn. */
  readonly turns: readonly (readonly Buffer[])[];
  /** The last segment there is; 0: none. */
  readonly lastSegment: number;
  /** The last turn was not written to its end, or is damaged: it was never safe. */
  readonly isTorn: boolean;
  /** An earlier segment, which is damaged or missing: turns that were safe are lost. */
  readonly damaged: string | null;
}

export class Journal {
  segment = 0;
  /** Where the next turn is written. */
  position = 0;
  syncs = 0;
  private filledTo = 0;
  private isSynced = true;
  private lastSync: Promise<void> = Promise.resolve();
  private file: SegmentFile | null = null;
  /** Segments that are not needed any more, to be used again. */
  private readonly spare: number[] = [];
  private readonly options: JournalOptions;

  constructor(options: JournalOptions) {
    this.options = options;
  }

  /** Reads all segments from `floor` on. */
  async load(floor: number): Promise<JournalContent> {
    const segments = await this.segments();
    const turns: (readonly Buffer[])[] = [];
    let isTorn = false;
    let isWhole = false;
    let damaged: string | null = null;
    let previous = 0;
    for (const segment of segments.filter((one) => one >= floor)) {
      // What comes after a turn that is lost must not be taken for all that happened.
      if (previous > 0 && !isWhole) damaged ??= this.path(previous);
      if (previous > 0 && segment > previous + 1) damaged ??= this.path(previous + 1);
      const content = this.read(segment);
      turns.push(...content.turns);
      isTorn = content.isTorn;
      isWhole = !isTorn && content.turns.length > 0;
      previous = segment;
    }
    this.spare.push(...segments.filter((one) => one < floor));
    return { turns, lastSegment: Math.max(0, ...segments), isTorn, damaged };
  }

  /** Begins a segment; the one before is complete. */
  async begin(segment: number): Promise<void> {
    const { openFile, syncsWrites, folder } = this.options;
    const used = this.spare.pop();
    if (used !== undefined) {
      await rename(this.path(used), this.path(segment));
      await syncFolder(folder);
    }
    const file = await openFile(this.path(segment), syncsWrites);
    await this.file?.close();
    this.file = file;
    this.segment = segment;
    this.position = 0;
    this.filledTo = file.size;
    this.isSynced = true;
  }

  /** Appends the frames of a turn. */
  async append(frames: Buffer[], bytes: number): Promise<void> {
    const { position } = this;
    const end = position + bytes;
    const isGrowing = end > this.filledTo;
    if (isGrowing) this.filledTo = end + FILL_BYTES;
    this.position = end;
    this.isSynced = false;
    await this.file!.write(isGrowing ? [...frames, zeros] : frames, position);
    if (!this.options.syncsWrites) return;
    this.isSynced = true;
    this.syncs++;
  }

  /** All that was appended before is on the medium. */
  sync(): Promise<void> {
    if (!this.isSynced) {
      this.isSynced = true;
      this.syncs++;
      this.lastSync = this.file!.sync();
    }
    return this.lastSync;
  }

  /**
   * An earlier segment is all in the database.
   *
   * @param bytesMax a larger file is not kept for a later segment
   */
  async release(segment: number, bytesMax: number): Promise<void> {
    const path = this.path(segment);
    const isKept = this.spare.length === 0 && (await stat(path)).size <= bytesMax;
    if (isKept) this.spare.push(segment);
    else await rm(path, { force: true });
  }

  async close(): Promise<void> {
    const { file } = this;
    this.file = null;
    await file?.close();
  }

  private read(segment: number): SegmentContent {
    const file = new FileWindow(this.path(segment));
    try {
      return readSegment(file, segment);
    } finally {
      file.close();
    }
  }

  private async segments(): Promise<number[]> {
    const names = await readdir(this.options.folder);
    const numbers = names.flatMap((name) => {
      const digits = NAME.exec(name)?.[1];
      return digits === undefined ? [] : [Number(digits)];
    });
    return numbers.sort((a, b) => a - b);
  }

  private path(segment: number): string {
    return join(this.options.folder, `journal-${String(segment).padStart(8, '0')}.log`);
  }
}
