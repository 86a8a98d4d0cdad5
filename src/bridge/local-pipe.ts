/**
 * A connection to this very broker, without a socket: a stream for the client's end, and the
 * transport that the core gets. The core's buffers are copied, since it uses them again.
 */
import { Duplex } from 'node:stream';
import {
  type PeerInfo,
  READ_AREA,
  READ_HEADROOM,
  readBuffer,
  type Transport,
  type TransportReceiver,
} from '../broker/transport.js';

/** More than this not read by the client: the core has to wait. */
const UNREAD_BYTES_MAX = 256 * 1024;

export const inProcess: PeerInfo = Object.freeze({
  remoteAddress: 'in-process',
  remotePort: 0,
  identity: null,
  subject: null,
  isTls: false,
});

type Done = (error?: Error | null) => void;

export class LocalPipe extends Duplex {
  readonly transport: Transport;
  private receiver: TransportReceiver | null = null;
  /** What the core wrote in this round; handed over outside its turn. */
  private written: Buffer[] = [];
  private writtenBytes = 0;
  private isHandingOver = false;
  /** The chunk that the core waits for; null: it may write. */
  private kept: Buffer | null = null;
  /** What the client wrote while the core does not read. */
  private unread: { bytes: Buffer; done: Done } | null = null;
  private isCorePaused = false;
  private isEnded = false;

  constructor() {
    super({ allowHalfOpen: false, highWaterMark: UNREAD_BYTES_MAX });
    this.transport = {
      peer: inProcess,
      write: (chunk, length) => this.onWrite(chunk, length),
      writeNow: () => 0,
      pause: () => {
        this.isCorePaused = true;
      },
      resume: () => this.onResume(),
      end: (lingerMs) => this.onEnd(lingerMs),
      destroy: () => setImmediate(() => this.destroy()),
    };
  }

  /** Connects the core's end: `attach(core.accept(pipe.transport, …))`. */
  attach(receiver: TransportReceiver): void {
    this.receiver = receiver;
  }

  override _read(): void {
    this.letWrite();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: Done): void {
    if (this.isCorePaused) this.unread = { bytes, done };
    else this.deliver(bytes, done);
  }

  override _final(done: Done): void {
    done();
    setImmediate(() => this.destroy());
  }

  override _destroy(error: Error | null, done: Done): void {
    const { receiver } = this;
    this.receiver = null;
    this.written = [];
    this.kept = null;
    setImmediate(() => receiver?.onClose(error));
    done(error);
  }

  /** From the core, within its turn. */
  private onWrite(chunk: Buffer, length: number): boolean {
    const copy = Buffer.allocUnsafe(length);
    chunk.copy(copy, 0, 0, length);
    this.written.push(copy);
    this.writtenBytes += length;
    this.handOverSoon();
    if (this.writtenBytes + this.readableLength < UNREAD_BYTES_MAX) return true;
    this.kept = chunk;
    return false;
  }

  /** What was written is read first, unless that takes too long. */
  private onEnd(lingerMs: number): void {
    this.isEnded = true;
    this.handOverSoon();
    const timer = setTimeout(() => this.destroy(), lingerMs);
    this.once('close', () => clearTimeout(timer));
  }

  /** Never within the core's turn: what the client does about it may lead back into the core. */
  private handOverSoon(): void {
    if (this.isHandingOver) return;
    this.isHandingOver = true;
    setImmediate(() => this.handOver());
  }

  private handOver(): void {
    this.isHandingOver = false;
    if (this.destroyed) return;
    const { written } = this;
    this.written = [];
    this.writtenBytes = 0;
    for (const bytes of written) this.push(bytes);
    if (this.isEnded) this.push(null);
    else if (this.readableLength < UNREAD_BYTES_MAX) this.letWrite();
  }

  private letWrite(): void {
    const chunk = this.kept;
    if (chunk === null || this.writtenBytes > 0) return;
    this.kept = null;
    setImmediate(() => this.receiver?.onWritten(chunk));
  }

  private onResume(): void {
    if (!this.isCorePaused) return;
    this.isCorePaused = false;
    // Not at once: the core may be in the middle of another connection's bytes.
    setImmediate(() => {
      const { unread } = this;
      if (unread === null || this.isCorePaused || this.destroyed) return;
      this.unread = null;
      this.deliver(unread.bytes, unread.done);
    });
  }

  /** Like every transport, through the one read buffer. The core may pause in any call. */
  private deliver(bytes: Buffer, done: Done): void {
    let at = 0;
    while (at < bytes.length && !this.isCorePaused && this.receiver !== null) {
      const length = Math.min(READ_AREA, bytes.length - at);
      bytes.copy(readBuffer, READ_HEADROOM, at, at + length);
      at += length;
      this.receiver.onData(readBuffer, READ_HEADROOM, READ_HEADROOM + length);
    }
    if (at < bytes.length && this.receiver !== null) {
      this.unread = { bytes: bytes.subarray(at), done };
    } else {
      done();
    }
  }
}
