/**
 * What the transports over Node streams share: slicing input into the read buffer, holding back
 * input while paused, one write under way at most, and an orderly end. Hot path where the fast
 * socket edge is not used.
 *
 *   fresh ──receive──▶ open ──end──▶ ending ──closed──▶ closed
 *                        └──destroy, end of stream, error──▶ closed
 */
import { assert } from '../base/assert.js';
import {
  type PeerInfo,
  READ_AREA,
  READ_HEADROOM,
  readBuffer,
  type Transport,
  type TransportReceiver,
} from '../broker/transport.js';

// Up to here copying is cheaper than keeping the chunk, whose owner then needs another one.
const copyBytesMax = 2 * 1024;
// More than this in the stream's own buffer, and the peer reads too slowly: stop accepting.
const backlogBytesMax = 64 * 1024;

const phases = { fresh: 0, open: 1, ending: 2, closed: 3 } as const;
type Phase = (typeof phases)[keyof typeof phases];

export abstract class BufferedTransport implements Transport {
  readonly peer: PeerInfo;
  private receiver: TransportReceiver | null = null;
  private phase: Phase = phases.fresh;
  private isPaused = false;
  /** Input that came while paused, in order. Bounded: the source is paused as well. */
  private held: Buffer[] = [];
  private isReleasing = false;
  private peerEnded = false;
  private pending: Buffer | null = null;
  private error: Error | null = null;
  private lingerTimer: NodeJS.Timeout | null = null;
  private readonly onLeft: () => void = () => this.pendingLeft();

  protected constructor(peer: PeerInfo) {
    this.peer = peer;
  }

  /** Bytes that were sent but have not left the process. */
  protected abstract backlog(): number;
  /** Sends `bytes`, which stay valid until `onLeft` was called; null: they are the stream's own. */
  protected abstract send(bytes: Buffer, onLeft: (() => void) | null): void;
  /** The stream is being torn down: what has not left will not. */
  protected abstract isDestroyed(): boolean;
  protected abstract pauseSource(): void;
  protected abstract resumeSource(): void;
  /** Ends the stream after what was sent; `hasClosed` follows when the peer agrees. */
  protected abstract endSource(): void;
  /** Ends the stream now; `hasClosed` follows, never within this call. */
  protected abstract destroySource(): void;

  /** Starts reading into `receiver`. Once. */
  receive(receiver: TransportReceiver): void {
    this.receiver = receiver;
    if (this.phase !== phases.fresh) return;
    this.phase = phases.open;
    if (this.isPaused) return;
    if (this.held.length > 0 || this.peerEnded) this.releaseSoon();
    else this.resumeSource();
  }

  write(chunk: Buffer, length: number): boolean {
    if (this.phase > phases.open) return true;
    assert(this.pending === null, 'one write at a time');
    if (length <= copyBytesMax && this.backlog() + length <= backlogBytesMax) {
      const copy = Buffer.allocUnsafe(length);
      chunk.copy(copy, 0, 0, length);
      this.send(copy, null);
      return true;
    }
    this.pending = chunk;
    this.send(length === chunk.length ? chunk : chunk.subarray(0, length), this.onLeft);
    return false;
  }

  /** The stream keeps what it is given, and the bytes do not stay as they are. */
  writeNow(): number {
    return 0;
  }

  pause(): void {
    if (this.isPaused) return;
    this.isPaused = true;
    if (this.phase === phases.open) this.pauseSource();
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    if (this.phase !== phases.open) return;
    if (this.held.length > 0 || this.peerEnded) this.releaseSoon();
    else this.resumeSource();
  }

  end(lingerMs: number): void {
    if (this.phase > phases.open) return;
    this.phase = phases.ending;
    this.held = [];
    this.lingerTimer = setTimeout(() => this.destroySource(), lingerMs);
    // The rest of the input is read and thrown away, so that the peer's end is seen.
    this.resumeSource();
    this.endSource();
  }

  destroy(): void {
    if (this.phase === phases.closed) return;
    this.phase = phases.closed;
    this.held = [];
    this.destroySource();
  }

  /** Input from the stream. */
  protected hasRead(bytes: Buffer): void {
    if (this.phase > phases.open) return;
    if (this.phase === phases.fresh || this.isPaused || this.held.length > 0) this.held.push(bytes);
    else this.deliver(bytes);
  }

  /** The peer will send nothing more. What is held back is still delivered. */
  protected hasEnded(): void {
    this.peerEnded = true;
    if (this.phase === phases.open && this.held.length === 0) this.destroy();
  }

  /** Remembers why the stream closes; the first reason counts. */
  protected hasFailed(error: Error): void {
    this.error ??= error;
  }

  /** The stream is gone. */
  protected hasClosed(): void {
    this.phase = phases.closed;
    this.held = [];
    if (this.lingerTimer !== null) clearTimeout(this.lingerTimer);
    this.pending = null;
    const receiver = this.receiver;
    this.receiver = null;
    receiver?.onClose(this.error);
  }

  /** Also called, without an error, for what was under way when the stream broke. */
  private pendingLeft(): void {
    const chunk = this.pending;
    this.pending = null;
    if (chunk !== null && !this.isDestroyed()) this.receiver?.onWritten(chunk);
  }

  /** The receiver may pause or close in any call: the rest waits or is dropped. */
  private deliver(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const length = Math.min(READ_AREA, bytes.length - at);
      bytes.copy(readBuffer, READ_HEADROOM, at, at + length);
      at += length;
      this.receiver?.onData(readBuffer, READ_HEADROOM, READ_HEADROOM + length);
      if (this.phase !== phases.open) return;
      if (this.isPaused && at < bytes.length) {
        this.held.unshift(bytes.subarray(at));
        return;
      }
    }
  }

  /** Not at once: `resume` may be called while another connection's bytes are in the buffer. */
  private releaseSoon(): void {
    if (this.isReleasing) return;
    this.isReleasing = true;
    setImmediate(() => this.release());
  }

  private release(): void {
    this.isReleasing = false;
    while (this.phase === phases.open && !this.isPaused) {
      const bytes = this.held.shift();
      if (bytes === undefined) break;
      this.deliver(bytes);
    }
    if (this.phase !== phases.open || this.isPaused) return;
    if (this.peerEnded) this.destroy();
    else this.resumeSource();
  }
}
