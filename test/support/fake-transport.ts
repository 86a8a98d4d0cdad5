/**
 * A transport without a socket, as nasty as the contract of `Transport` allows: bytes come
 * through the shared read buffer, cut where the test says, and are overwritten as soon as the
 * call is over; a chunk that was taken is overwritten too; `onClose` and `onWritten` never come
 * inside another call. Nothing happens but by `step`, so the same calls give the same run.
 */
import {
  type PeerInfo,
  READ_AREA,
  READ_HEADROOM,
  readBuffer,
  type Transport,
  type TransportReceiver,
} from '../../src/broker/transport.js';

const POISON = 0xee;

export class FakeTransport implements Transport {
  readonly peer: PeerInfo = {
    remoteAddress: '127.0.0.1',
    remotePort: 40_000,
    identity: null,
    subject: null,
    isTls: false,
  };
  receiver: TransportReceiver | null = null;
  /** Bytes per `onData`, given those that are there. */
  slice: (available: number) => number = (available) => available;
  isPaused = false;
  /** The broker has closed: with `end`, or with `destroy`. */
  isEnded = false;
  isDestroyed = false;
  private isStalled = false;
  private isOver = false;
  private isHangingUp = false;
  private inFlight: { chunk: Buffer; length: number } | null = null;
  private incoming: Buffer[] = [];
  private readonly onBytes: (bytes: Buffer) => void;

  /** @param onBytes gets a copy of what the broker sends */
  constructor(onBytes: (bytes: Buffer) => void) {
    this.onBytes = onBytes;
  }

  get isOpen(): boolean {
    return !this.isEnded && !this.isDestroyed && !this.isOver;
  }

  write(chunk: Buffer, length: number): boolean {
    check(!this.isEnded && !this.isDestroyed, 'a write after the end');
    // The peer is gone, and the broker has not heard of it yet.
    if (this.isOver) return true;
    check(this.inFlight === null, 'a write before the last one is over');
    check(length > 0 && length <= chunk.length, 'a write of a length that the chunk has not');
    if (this.isStalled) {
      this.inFlight = { chunk, length };
      return false;
    }
    this.take(chunk, length);
    return true;
  }

  /** A part of it, as a kernel does that runs out of room. */
  writeNow(bytes: Buffer, start: number, end: number): number {
    check(!this.isEnded && !this.isDestroyed, 'a write after the end');
    if (this.isOver || this.isStalled) return 0;
    check(this.inFlight === null, 'a write before the last one is over');
    const taken = (end - start) >>> 1;
    this.onBytes(Buffer.from(bytes.subarray(start, start + taken)));
    return taken;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  end(): void {
    this.isEnded = true;
  }

  destroy(): void {
    this.isDestroyed = true;
  }

  /** The peer sends bytes; they arrive with the next `step` that finds the transport reading. */
  fromPeer(bytes: Buffer): void {
    this.incoming.push(bytes);
  }

  /** The peer reads no longer: the next write waits. */
  stall(): void {
    this.isStalled = true;
  }

  /** The peer reads again; what waited goes out. */
  drain(): void {
    this.isStalled = false;
    const { inFlight } = this;
    if (inFlight === null) return;
    this.inFlight = null;
    this.take(inFlight.chunk, inFlight.length);
    this.receiver!.onWritten(inFlight.chunk);
  }

  /** The peer closes after what it sent: FIN. */
  hangUp(): void {
    this.isHangingUp = true;
  }

  /** The connection breaks: what is on its way in is lost. */
  reset(): void {
    this.incoming = [];
    this.close(new Error('ECONNRESET'));
  }

  /** Bytes of the peer that were not read yet. */
  get unread(): number {
    let total = 0;
    for (const bytes of this.incoming) total += bytes.length;
    return total;
  }

  /** True when nothing can happen to it any more. */
  get isGone(): boolean {
    return this.isOver;
  }

  /** One event of the event loop; false: there was none. */
  step(): boolean {
    if (this.isOver) return false;
    if (this.isDestroyed || (this.isEnded && this.inFlight === null)) {
      this.close(null);
      return true;
    }
    if (this.isPaused || this.isEnded) return false;
    if (this.incoming.length > 0) {
      this.deliver();
      return true;
    }
    if (!this.isHangingUp) return false;
    this.close(null);
    return true;
  }

  /** As much as one read gets, however many pieces it was sent in. */
  private deliver(): void {
    let available = 0;
    let count = 0;
    while (count < this.incoming.length && available < READ_AREA) {
      available += this.incoming[count++]!.length;
    }
    const bytes = Buffer.concat(this.incoming.splice(0, count));
    const most = Math.min(available, READ_AREA);
    const length = Math.max(1, Math.min(most, this.slice(most)));
    if (length < available) this.incoming.unshift(bytes.subarray(length));
    const end = READ_HEADROOM + length;
    readBuffer.set(bytes.subarray(0, length), READ_HEADROOM);
    this.receiver!.onData(readBuffer, READ_HEADROOM, end);
    readBuffer.fill(POISON, 0, end);
  }

  private take(chunk: Buffer, length: number): void {
    const copy = Buffer.from(chunk.subarray(0, length));
    chunk.fill(POISON, 0, length);
    this.onBytes(copy);
  }

  private close(error: Error | null): void {
    if (this.isOver) return;
    this.isOver = true;
    this.inFlight = null;
    this.receiver!.onClose(error);
  }
}

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}
