/**
 * Publishers that do not wait and subscribers that do not keep up, with a ledger of what the
 * broker owes to whom: each message that it took for a session reaches it, is counted as dropped
 * for it, or was on its way when the connection broke, where the session has no second chance.
 */
import * as assert from 'uvu/assert';
import type { XorShift32 } from '../../../src/base/prng.js';
import type { FakeBroker, FakeClient, Received } from './fake-broker.js';

const TOPIC = 'flood';
/** QoS 1 and 2 messages that a publisher has in flight; below the broker's Receive Maximum. */
const WINDOW = 15;

export function topicOf(number: number): string {
  return `${TOPIC}/${number}`;
}

export function numberOf(topic: string): number {
  return Number(topic.slice(TOPIC.length + 1));
}

/** A subscriber through all its connections. */
export class Sink {
  readonly id: string;
  readonly qos: 0 | 1 | 2;
  readonly isDurable: boolean;
  client: FakeClient | null = null;
  /** Message → QoS for everything that is owed. */
  readonly due = new Map<number, number>();
  received = 0;
  /** Was perhaps on its way when a connection broke: may come, or be counted, or neither. */
  private readonly doubtful = new Set<number>();
  private readonly held = new Set<number>();
  private readonly broker: FakeBroker;
  private readonly slice: (available: number) => number;

  constructor(broker: FakeBroker, index: number, prng: XorShift32) {
    this.broker = broker;
    this.id = `sink-${index}`;
    this.qos = (index % 3) as 0 | 1 | 2;
    this.isDurable = index % 2 === 0;
    this.slice = (available) => 1 + prng.below(Math.min(available, 20_000));
  }

  /** Also over a connection that is there. */
  connect(): void {
    this.read();
    const properties = { sessionExpiryInterval: this.isDurable ? 1_000 : 0 };
    const { slice } = this;
    const options = { clientId: this.id, clean: !this.isDurable, properties, keepalive: 60, slice };
    const client = this.broker.connect(options);
    this.lose();
    this.client = client;
    // The second time it may have to wait behind a backlog of answers.
    const subscriptions = [{ topic: `${TOPIC}/#`, qos: this.qos }];
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions });
  }

  drop(): void {
    this.client?.drop();
    this.lose();
  }

  /** What the broker owes from now on when it takes this message. */
  expect(number: number, qos: number): void {
    if (this.broker.core.sessions.get(this.id)?.subscriptions == null) return;
    this.due.set(number, Math.min(qos, this.qos));
  }

  /** Takes and answers what came. */
  read(): void {
    for (const packet of this.client?.take() ?? []) {
      const { cmd, messageId = 0 } = packet;
      if (cmd === 'pubrel') {
        this.held.delete(messageId);
        this.client!.post({ cmd: 'pubcomp', messageId });
      } else if (cmd === 'publish') {
        this.onPublish(packet);
        const answer = ([null, 'puback', 'pubrec'] as const)[packet.qos!];
        if (answer) this.client!.post({ cmd: answer, messageId });
      }
    }
  }

  private onPublish({ qos = 0, dup, messageId = 0, topic }: Received): void {
    const number = numberOf(topic!);
    if (qos === 2 && this.held.has(messageId)) return;
    if (qos === 2) this.held.add(messageId);
    this.received++;
    const isOwed = this.settle(number) || (qos === 1 && dup === true);
    assert.ok(isOwed, `${this.id} gets ${number} at QoS ${qos} for nothing`);
  }

  /** The message has come, or is counted. False: it was not owed any more. */
  settle(number: number): boolean {
    return this.due.delete(number) || this.doubtful.delete(number);
  }

  /** What is not acknowledged when its session ends is counted, although it may have come. */
  giveUp(number: number): void {
    this.due.delete(number);
    this.doubtful.add(number);
  }

  /** The connection is over: what was on its way has not arrived. */
  private lose(): void {
    this.read();
    this.client = null;
    if (!this.isDurable) this.held.clear();
    for (const [number, qos] of this.due) {
      if (qos === 0 || !this.isDurable) this.giveUp(number);
    }
  }
}

/** A publisher that sends without waiting for anything but its window. */
export class Source {
  client: FakeClient | null = null;
  private readonly inFlight = new Set<number>();
  private nextId = 1;
  private readonly broker: FakeBroker;
  private readonly prng: XorShift32;

  constructor(broker: FakeBroker, prng: XorShift32) {
    this.broker = broker;
    this.prng = prng;
  }

  get isIdle(): boolean {
    return this.inFlight.size === 0;
  }

  connect(): void {
    const slice = (available: number): number => 1 + this.prng.below(Math.min(available, 50_000));
    this.client = this.broker.connect({ keepalive: 60, slice });
    this.inFlight.clear();
  }

  post(number: number, size: number): void {
    const { client, prng } = this;
    if (client === null) return;
    const isFull = this.inFlight.size >= WINDOW;
    const qos = isFull ? 0 : (prng.below(3) as 0 | 1 | 2);
    const messageId = this.nextId;
    if (qos > 0) {
      this.inFlight.add(messageId);
      this.nextId = (messageId % 60_000) + 1;
    }
    const payload = 'x'.repeat(size);
    const flags = { dup: false, retain: false };
    client.post({ cmd: 'publish', topic: topicOf(number), payload, qos, messageId, ...flags });
  }

  read(): void {
    for (const { cmd, messageId = 0, reasonCode = 0 } of this.client?.take() ?? []) {
      assert.is.not(cmd, 'disconnect', `0x${reasonCode.toString(16)}`);
      if (cmd === 'pubrec' && reasonCode < 0x80) this.client!.post({ cmd: 'pubrel', messageId });
      else if (cmd === 'puback' || cmd === 'pubcomp' || cmd === 'pubrec') {
        assert.ok(this.inFlight.delete(messageId), 'each message is answered once');
      }
    }
  }

  /** Breaks, or ends after all that was sent. */
  leave(isBreaking: boolean): void {
    if (isBreaking) this.client?.drop();
    else this.client?.transport.hangUp();
    this.client = null;
    this.inFlight.clear();
  }
}
