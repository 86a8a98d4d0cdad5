/**
 * What is on its way to one socket. Hot path.
 *
 * Packets are written into a chunk borrowed from a pool; at the end of the turn the chunk goes to
 * the transport. When the kernel takes all of it at once, the usual case, the chunk goes back to
 * the pool, so an idle connection owns no buffer. Otherwise the transport keeps it until
 * `onWritten`, and later chunks wait in line.
 *
 *     chunk (being filled) ─▶ line (full, waiting) ─▶ inFlight (the transport's)
 *
 * A *run* is a stretch of somebody's read buffer that goes out byte for byte: consecutive QoS 0
 * packets from one publisher. It is only remembered. When it ends, before anything else is written
 * and at the latest before the buffer is read into again, a long one goes straight to the kernel,
 * and what is left of it is copied in one go.
 */
import { Block, copyBytes } from '../base/block.js';
import type { Metrics } from './metrics.js';
import type { Transport } from './transport.js';
import type { Turn } from './turn.js';

const SMALL_CHUNK_BYTES = 4 * 1024;
const LARGE_CHUNK_BYTES = 64 * 1024;
/** A chunk this full does not wait for the end of the turn. */
const FLUSH_BYTES = 48 * 1024;
/** A run is copied in pieces of this size at most. */
const RUN_PIECE_BYTES = 48 * 1024;
/** A run of this length is worth a system call of its own; a shorter one waits with the others. */
const DIRECT_BYTES = 32 * 1024;
/** Chunks kept for reuse, per size: 4 MiB and 16 MiB. */
const SMALL_CHUNKS_KEPT = 1024;
const LARGE_CHUNKS_KEPT = 256;

/** Chunks for reuse, shared by all connections. */
export class ChunkPool {
  private readonly small: Block[] = [];
  private readonly large: Block[] = [];

  take(atLeast: number): Block {
    if (atLeast <= SMALL_CHUNK_BYTES) return this.small.pop() ?? Block.allocate(SMALL_CHUNK_BYTES);
    if (atLeast <= LARGE_CHUNK_BYTES) return this.large.pop() ?? Block.allocate(LARGE_CHUNK_BYTES);
    return Block.allocate(atLeast);
  }

  release(chunk: Block): void {
    const size = chunk.bytes.length;
    if (size === SMALL_CHUNK_BYTES) {
      if (this.small.length < SMALL_CHUNKS_KEPT) this.small.push(chunk);
    } else if (size === LARGE_CHUNK_BYTES) {
      if (this.large.length < LARGE_CHUNKS_KEPT) this.large.push(chunk);
    }
  }
}

const noChunk = Block.allocate(0);

interface Piece {
  readonly chunk: Block;
  readonly length: number;
}

/** What all outputs of a broker share. */
export interface OutputContext {
  readonly turn: Turn;
  /** Outputs whose run must be copied before the read buffer is used again. */
  readonly openRuns: Output[];
  readonly pool: ChunkPool;
  readonly metrics: Metrics;
}

export class Output {
  /** Where the next packet is written; `reserve` says at which index. */
  chunk: Block = noChunk;
  /** Bytes in `chunk`. */
  length = 0;
  /** Bytes that wait for the transport. While it is blocked, those in `chunk` do so too. */
  waitingBytes = 0;
  private isDirty = false;
  /** Bytes that the first packet, or run, since the last flush took. */
  private firstBytes = 0;
  /** More came before the last flush: it paid to wait for it. */
  private isJoined = true;
  private isClosed = false;
  private inFlight: Block | null = null;
  private inFlightLength = 0;
  private line: Piece[] | null = null;
  private runBlock: Block = noChunk;
  private runStart = 0;
  private runEnd = 0;
  private readonly transport: Transport;
  private readonly context: OutputContext;
  private readonly onDrain: () => void;

  /** @param onDrain called when bytes had to wait and now none do */
  constructor(transport: Transport, context: OutputContext, onDrain: () => void) {
    this.transport = transport;
    this.context = context;
    this.onDrain = onDrain;
  }

  /** True when the transport has not taken everything: more would only pile up. */
  get isBlocked(): boolean {
    return this.inFlight !== null;
  }

  /** Bytes not yet with the kernel. */
  get pendingBytes(): number {
    const unblocked = this.inFlight === null ? this.length : 0;
    return this.waitingBytes + unblocked + this.runEnd - this.runStart;
  }

  /** Makes room for `size` bytes in `chunk` and returns the index where they go. */
  reserve(size: number): number {
    if (this.runEnd !== 0) this.endRun();
    if (this.length + size > this.chunk.bytes.length) this.makeRoom(size);
    const at = this.length;
    this.length = at + size;
    if (this.inFlight !== null) this.wait(size);
    return at;
  }

  /** Sends `block.bytes[start..end)`, which must stay as they are until `endRun`. */
  addToRun(block: Block, start: number, end: number): void {
    if (this.runEnd === start && this.runBlock === block) {
      this.runEnd = end;
      return;
    }
    if (this.runEnd !== 0) this.endRun();
    this.runBlock = block;
    this.runStart = start;
    this.runEnd = end;
    this.context.openRuns.push(this);
  }

  /** True when the run ends there, and nothing waits before it. */
  endsRunAt(block: Block, end: number): boolean {
    return this.runEnd === end && this.runBlock === block && this.waitingBytes === 0;
  }

  /** Writes or copies the run, if there is one. */
  endRun(): void {
    const { runBlock, runEnd } = this;
    let start = this.runStart;
    this.runBlock = noChunk;
    this.runStart = 0;
    this.runEnd = 0;
    if (this.isClosed) return;
    if (runEnd - start >= DIRECT_BYTES) start += this.writeDirectly(runBlock, start, runEnd);
    while (start < runEnd) {
      const size = Math.min(runEnd - start, RUN_PIECE_BYTES);
      const at = this.reserve(size);
      copyBytes(this.chunk, at, runBlock, start, start + size);
      start += size;
    }
  }

  /** Appends bytes that were encoded elsewhere. */
  append(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.chunk.bytes.set(bytes, at);
  }

  /** Sends what was collected, as far as the transport takes it. */
  flush(): void {
    if (this.runEnd !== 0) this.endRun();
    this.isDirty = false;
    if (this.inFlight !== null) return;
    const length = this.length;
    if (length === 0) return;
    this.isJoined = length > this.firstBytes;
    const chunk = this.chunk;
    this.chunk = noChunk;
    this.length = 0;
    this.send(chunk, length);
  }

  /** The transport's answer to a write that it could not finish at once. */
  onWritten(): void {
    const chunk = this.inFlight;
    if (chunk === null) return;
    // Still blocked, so that its bytes are counted with those that it follows.
    if (this.runEnd !== 0) this.endRun();
    this.inFlight = null;
    this.wait(-this.inFlightLength);
    this.context.pool.release(chunk);
    while (this.line !== null) {
      const piece = this.line.shift()!;
      if (this.line.length === 0) this.line = null;
      this.wait(-piece.length);
      if (!this.send(piece.chunk, piece.length)) return;
    }
    this.wait(-this.length);
    this.flush();
    if (this.inFlight === null && !this.isClosed) this.onDrain();
  }

  /** Gives everything back; nothing is sent any more, and what is still written goes nowhere. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.wait(-this.waitingBytes);
    this.line = null;
    this.inFlight = null;
    if (this.chunk !== noChunk) this.context.pool.release(this.chunk);
    this.chunk = noChunk;
    this.length = 0;
    this.runStart = 0;
    this.runEnd = 0;
  }

  /** Writes without a copy, after what was collected; returns how many bytes the kernel took. */
  private writeDirectly(block: Block, start: number, end: number): number {
    if (this.inFlight !== null) return 0;
    if (this.length > 0) this.handOver(this.chunk, this.length);
    if (this.inFlight !== null || this.isClosed) return 0;
    const taken = this.transport.writeNow(block.bytes, start, end);
    this.context.metrics.bytesSent += taken;
    return taken;
  }

  private send(chunk: Block, length: number): boolean {
    if (this.isClosed) {
      this.context.pool.release(chunk);
      return true;
    }
    this.context.metrics.bytesSent += length;
    if (this.transport.write(chunk.head(length), length)) {
      this.context.pool.release(chunk);
      return true;
    }
    this.inFlight = chunk;
    this.inFlightLength = length;
    this.wait(length);
    return false;
  }

  private wait(bytes: number): void {
    this.waitingBytes += bytes;
    this.context.metrics.bytesWaiting += bytes;
  }

  private makeRoom(size: number): void {
    const { pool, turn } = this.context;
    if (!this.isDirty) {
      this.isDirty = true;
      this.firstBytes = size;
      if (this.isJoined) turn.markDirty(this);
      else turn.markEarly(this);
    }
    const full = this.chunk;
    const used = this.length;
    if (used >= FLUSH_BYTES || (used > 0 && used + size > LARGE_CHUNK_BYTES)) {
      this.handOver(full, used);
      this.chunk = pool.take(size);
      return;
    }
    this.chunk = pool.take(used + size);
    if (used > 0) this.chunk.bytes.set(full.bytes.subarray(0, used));
    if (full !== noChunk) pool.release(full);
  }

  /** Sends a full chunk now, or puts it in line. */
  private handOver(chunk: Block, length: number): void {
    this.chunk = noChunk;
    this.length = 0;
    this.firstBytes = 0;
    if (this.inFlight === null && this.line === null) {
      this.send(chunk, length);
      return;
    }
    this.line ??= [];
    this.line.push({ chunk, length });
  }
}
