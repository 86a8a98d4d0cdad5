/**
 * A publisher as fast as the broker takes it, or as a window of unacknowledged messages allows.
 * The first four bytes of each payload are its number, from 0.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { until } from '../../support/until.js';
import type { RawClient } from './raw-client.js';
import { publishPacket } from './raw-packets.js';

/** QoS 1 messages under way. */
const windowSize = 1_000;
/** Messages in one write. */
const batch = 100;

export class Flood {
  /** Messages published so far. */
  sent = 0;
  private readonly client: RawClient;
  private readonly topic: string;
  private readonly payload: Buffer;
  private readonly qos: 0 | 1;
  private isBlocked = false;

  constructor(client: RawClient, topic: string, payload: Buffer, qos: 0 | 1) {
    this.client = client;
    this.topic = topic;
    this.payload = Buffer.from(payload);
    this.qos = qos;
    client.socket.on('drain', () => {
      this.isBlocked = false;
    });
  }

  /** Publishes for a time; then waits until the broker has taken everything. */
  async run(forMs: number): Promise<void> {
    const endMs = performance.now() + forMs;
    while (performance.now() < endMs) {
      if (this.mayGoOn) this.sendBatch(batch);
      await nextTurn();
    }
    await this.untilTaken();
  }

  /** Publishes a number of messages; then waits until the broker has taken everything. */
  async send(count: number): Promise<void> {
    const end = this.sent + count;
    while (this.sent < end) {
      if (this.mayGoOn) this.sendBatch(Math.min(batch, end - this.sent));
      await nextTurn();
    }
    await this.untilTaken();
  }

  private get mayGoOn(): boolean {
    if (this.client.isClosed) throw new Error('the publisher lost its connection');
    const underWay = this.qos === 0 ? 0 : this.sent - this.client.pubacks;
    return !this.isBlocked && underWay < windowSize;
  }

  private sendBatch(count: number): void {
    const packets: Buffer[] = [];
    for (let n = 0; n < count; n++) {
      this.payload.writeUInt32BE(this.sent++, 0);
      const id = this.qos === 0 ? 0 : this.client.takeId();
      packets.push(publishPacket(this.topic, this.payload, this.qos, id, this.client.isV5));
    }
    this.isBlocked = !this.client.write(Buffer.concat(packets));
  }

  /** A PINGREQ behind the last message: its answer means that all before it were read. */
  private async untilTaken(): Promise<void> {
    const { pongs } = this.client;
    this.client.ping();
    await until('the end of the flood', () => this.client.pongs > pongs, { deadlineMs: 30_000 });
    if (this.qos === 0) return;
    await until('all PUBACKs', () => this.client.pubacks === this.sent, { deadlineMs: 30_000 });
  }
}
