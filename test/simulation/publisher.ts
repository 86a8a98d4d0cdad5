/** Publishes with all qualities of service, and keeps what a client must keep. */
import type { Received } from '../broker/support/fake-broker.js';
import { SimClient } from './sim-client.js';

export interface Sent {
  readonly publisher: string;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly number: number;
  readonly retain: boolean;
  /** `<publisher>:<number>:<qos>`. */
  readonly payload: string;
  /** When it was sent first. */
  readonly sentMs: number;
  /** PUBACK or PUBREC came; -1: not yet. */
  ackedMs: number;
  /** Number of the connection on which it was sent first. */
  readonly connection: number;
  /** Whose session ended before that: it is never sent again. */
  isGivenUp: boolean;
  /** On more than one connection. */
  isRepeated: boolean;
  /** The broker did not take it, as a queue was full. */
  isRefused: boolean;
  /** Seconds; 0: it does not expire. */
  readonly expiryS: number;
}

interface Outgoing {
  readonly sent: Sent;
  readonly packetId: number;
  isReleased: boolean;
}

const INFLIGHT_MAX = 6;
/** More than some subscribers take. */
const LARGE_BYTES = 200;
const QUOTA_EXCEEDED = 0x97;

/** What a message is, beside its topic and QoS. */
interface What {
  readonly retain: boolean;
  readonly expiryS: number;
  readonly isLarge: boolean;
}

export class Publisher extends SimClient {
  readonly sent: Sent[] = [];
  /** In the order in which they were sent. */
  private outgoing: Outgoing[] = [];
  private lastId = 0;

  publish(topic: string, qos: 0 | 1 | 2, what: Partial<What> = {}): void {
    if (!this.isConnected || this.outgoing.length >= INFLIGHT_MAX) return;
    const { retain, expiryS, isLarge } = { retain: false, expiryS: 0, isLarge: false, ...what };
    const number = this.sent.length + 1;
    const name = `${this.clientId}:${number}:${qos}`;
    const payload = isLarge ? name.padEnd(LARGE_BYTES, '.') : name;
    const sentMs = this.home.loop.nowMs;
    const sent: Sent = {
      publisher: this.clientId,
      topic,
      qos,
      number,
      retain,
      payload,
      sentMs,
      ackedMs: -1,
      connection: this.connections.length,
      isGivenUp: false,
      isRepeated: false,
      isRefused: false,
      expiryS: this.traits.version === 5 ? expiryS : 0,
    };
    this.sent.push(sent);
    if (qos === 0) {
      this.put(sent, 0, false);
      return;
    }
    do this.lastId = (this.lastId % 50) + 1;
    while (this.outgoing.some(({ packetId }) => packetId === this.lastId));
    this.outgoing.push({ sent, packetId: this.lastId, isReleased: false });
    this.put(sent, this.lastId, false);
  }

  override waitingFor(): string {
    return this.outgoing.map(({ sent }) => sent.payload).join(' ');
  }

  protected override onWelcome(isPresent: boolean): void {
    if (!isPresent) {
      for (const { sent } of this.outgoing) if (sent.ackedMs < 0) sent.isGivenUp = true;
      this.outgoing = [];
    }
    // In their order [MQTT-4.6.0-1].
    for (const { isReleased, packetId, sent } of this.outgoing) {
      if (isReleased) this.send({ cmd: 'pubrel', messageId: packetId });
      else this.put(sent, packetId, true);
    }
  }

  protected override onPacket({ cmd, messageId, reasonCode = 0 }: Received): void {
    const index = this.outgoing.findIndex(({ packetId }) => packetId === messageId);
    const item = this.outgoing[index];
    this.onAnswered();
    if (item === undefined) return;
    if (cmd === 'puback' || cmd === 'pubrec') {
      if (reasonCode >= 0x80) {
        this.onRefused(item.sent, reasonCode);
        this.outgoing.splice(index, 1);
        return;
      }
      if (item.sent.ackedMs < 0) {
        item.sent.ackedMs = this.home.loop.nowMs;
        this.trace(`${item.sent.payload} is acknowledged`);
      }
    }
    if (cmd === 'pubrec') {
      item.isReleased = true;
      this.send({ cmd: 'pubrel', messageId: item.packetId });
    } else {
      this.outgoing.splice(index, 1);
    }
  }

  private onRefused(sent: Sent, reasonCode: number): void {
    if (reasonCode === QUOTA_EXCEEDED && this.home.refuses) {
      sent.isRefused = true;
      this.trace(`${sent.payload} is refused`);
    } else {
      this.home.onProblem(`${sent.payload} is refused with ${reasonCode}`);
    }
  }

  private put(sent: Sent, messageId: number, dup: boolean): void {
    const { expiryS, payload, qos, retain, topic } = sent;
    this.trace(`publishes ${payload} to ${topic}${dup ? ' again' : ''}`);
    if (dup) sent.isRepeated = true;
    const properties = expiryS > 0 ? { properties: { messageExpiryInterval: expiryS } } : {};
    this.send({ cmd: 'publish', topic, payload, qos, dup, retain, messageId, ...properties });
  }
}
