/**
 * A QoS 1 publisher that goes on while nothing is acknowledged, as far as its window and its socket
 * allow. The first five bytes of each payload are the publisher's own number and the message's.
 */
import type { RawClient } from './raw-client.js';
import { publishPacket } from './raw-packets.js';

const TICK_MS = 2;
const PING_MS = 250;
/** Messages in one write. */
const BATCH = 100;

export class Presser {
  /** Messages published so far. */
  sent = 0;
  /** Messages that may wait for their PUBACK: below 65 535, the number of packet identifiers. */
  window = 1_000;
  readonly client: RawClient;
  private readonly index: number;
  private readonly topic: string;
  private readonly payload: Buffer;
  private isPressing = false;

  constructor(client: RawClient, index: number, topic: string, payloadBytes: number) {
    this.client = client;
    this.index = index;
    this.topic = topic;
    this.payload = Buffer.alloc(payloadBytes, 'press');
    const ticker = setInterval(() => this.press(), TICK_MS);
    const pinger = setInterval(() => {
      if (!client.socket.writableNeedDrain) client.ping();
    }, PING_MS);
    client.socket.once('close', () => {
      clearInterval(ticker);
      clearInterval(pinger);
    });
  }

  /** PUBACKs come in the order of the messages [MQTT-4.6.0-2], so these are the first ones. */
  get acknowledged(): number {
    return this.client.pubacks;
  }

  start(): void {
    this.isPressing = true;
  }

  /** The connection stays, and alive. */
  stop(): void {
    this.isPressing = false;
  }

  private press(): void {
    const room = Math.min(BATCH, this.window - (this.sent - this.acknowledged));
    if (!this.isPressing || room <= 0 || this.client.socket.writableNeedDrain) return;
    const packets: Buffer[] = [];
    for (let n = 0; n < room; n++) {
      this.payload[0] = this.index;
      this.payload.writeUInt32BE(this.sent++, 1);
      const id = this.client.takeId();
      packets.push(publishPacket(this.topic, this.payload, 1, id, this.client.isV5));
    }
    this.client.write(Buffer.concat(packets));
  }
}

/** What a subscriber got of each publisher: message numbers in the order in which they came. */
export class Taken {
  private readonly numbers = new Map<number, number[]>();
  total = 0;

  of(index: number): number[] {
    return this.numbers.get(index) ?? [];
  }

  /** From now on also what this client gets. */
  watch(client: RawClient): void {
    client.onPublish = (bytes, start) => {
      const index = bytes[start]!;
      const numbers = this.numbers.get(index) ?? [];
      if (numbers.length === 0) this.numbers.set(index, numbers);
      numbers.push(bytes.readUInt32BE(start + 1));
      this.total++;
    };
  }
}
