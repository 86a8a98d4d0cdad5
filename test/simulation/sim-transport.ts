/**
 * A client's connection to a broker on virtual time. Bytes come late but in order; those of a
 * broker that dies may never come. The broker's side is as nasty as its contract allows.
 */
import {
  type PeerInfo,
  READ_AREA,
  READ_HEADROOM,
  readBuffer,
  type Transport,
  type TransportReceiver,
} from '../../src/broker/transport.js';
import type { Draw, Loop, Process } from './loop.js';

const POISON = 0xee;

/** The client's end. */
export interface Peer {
  readonly process: Process;
  /** Its socket takes what is written late. */
  readonly isSlow: boolean;
  onBytes(bytes: Buffer): void;
  onClosed(): void;
}

/** Milliseconds after which a slow socket has room again. */
const SLOW_MS = [50, 1_000] as const;

export class SimTransport implements Transport {
  readonly peer: PeerInfo = {
    remoteAddress: '127.0.0.1',
    remotePort: 40_000,
    identity: null,
    subject: null,
    isTls: false,
  };
  receiver: TransportReceiver | null = null;
  private readonly loop: Loop;
  private readonly draw: Draw;
  private readonly broker: Process;
  private readonly client: Peer;
  private inbox: Buffer[] = [];
  private isPaused = false;
  /** The broker will hear nothing more, or has been told. */
  private isOver = false;
  /** Behind what has come, there is nothing more. */
  private isEnding = false;
  /** The client will hear nothing more. */
  private isCut = false;
  private toBrokerMs = 0;
  private toClientMs = 0;

  constructor(loop: Loop, draw: Draw, broker: Process, client: Peer) {
    this.loop = loop;
    this.draw = draw;
    this.broker = broker;
    this.client = client;
  }

  // The broker's side.

  write(chunk: Buffer, length: number): boolean {
    this.sendToClient(Buffer.from(chunk.subarray(0, length)));
    const { isSlow } = this.client;
    if (!isSlow && this.draw.chance(0.9)) {
      chunk.fill(POISON, 0, length);
      return true;
    }
    const ms = isSlow ? this.draw.between(...SLOW_MS) : this.draw.between(0, 5);
    this.loop.schedule(this.broker, ms, () => {
      chunk.fill(POISON, 0, length);
      if (!this.isOver) this.receiver!.onWritten(chunk);
    });
    return false;
  }

  writeNow(bytes: Buffer, start: number, end: number): number {
    const taken = this.draw.chance(0.1) ? (end - start) >>> 1 : end - start;
    if (taken > 0) this.sendToClient(Buffer.from(bytes.subarray(start, start + taken)));
    return taken;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    if (this.inbox.length > 0 || this.isEnding)
      this.loop.schedule(this.broker, 0, () => this.deliver());
  }

  end(): void {
    this.closeBoth();
  }

  destroy(): void {
    this.closeBoth();
  }

  // The client's side.

  fromClient(bytes: Buffer): void {
    this.toBroker(() => {
      this.inbox.push(bytes);
      this.deliver();
    });
  }

  /**
   * The client closes, or is gone.
   *
   * @param isOrderly the broker hears of it when it has read what came before; else at once, and
   *   what it has not read is lost
   */
  closeByClient(isOrderly: boolean): void {
    this.isCut = true;
    this.toBroker(() => {
      this.isEnding = isOrderly;
      if (isOrderly) this.deliver();
      else this.close();
    });
  }

  /** The broker's process died: what it sent may be lost from any byte on. */
  breakOff(): void {
    if (this.isCut) return;
    this.isOver = true;
    this.toClient(() => {
      this.isCut = true;
      this.client.onClosed();
    });
  }

  private sendToClient(bytes: Buffer): void {
    this.toClient(() => this.client.onBytes(bytes));
  }

  private closeBoth(): void {
    if (this.isOver) return;
    this.toClient(() => {
      this.isCut = true;
      this.client.onClosed();
    });
    this.loop.schedule(this.broker, 0, () => this.close());
  }

  private close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.receiver!.onClose(null);
  }

  private deliver(): void {
    while (!this.isPaused && !this.isOver && this.inbox.length > 0) {
      const bytes = this.inbox.shift()!;
      const length = Math.min(bytes.length, READ_AREA);
      if (length < bytes.length) this.inbox.unshift(bytes.subarray(length));
      readBuffer.set(bytes.subarray(0, length), READ_HEADROOM);
      this.receiver!.onData(readBuffer, READ_HEADROOM, READ_HEADROOM + length);
      readBuffer.fill(POISON, 0, READ_HEADROOM + length);
    }
    if (this.isEnding && !this.isPaused && this.inbox.length === 0) this.close();
  }

  private toBroker(run: () => void): void {
    this.toBrokerMs = Math.max(this.toBrokerMs, this.loop.nowMs + this.draw.between(0.1, 3));
    this.loop.schedule(this.broker, this.toBrokerMs - this.loop.nowMs, run);
  }

  private toClient(run: () => void): void {
    this.toClientMs = Math.max(this.toClientMs, this.loop.nowMs + this.draw.between(0.1, 3));
    this.loop.schedule(this.client.process, this.toClientMs - this.loop.nowMs, () => {
      if (!this.isCut) run();
    });
  }
}
