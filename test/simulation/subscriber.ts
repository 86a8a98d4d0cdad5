/** Subscribes, receives and acknowledges; keeps QoS 2 identifiers as long as its session lives. */
import type { Received } from '../broker/support/fake-broker.js';
import { type ClientHome, type ClientTraits, SimClient } from './sim-client.js';

export interface Delivery {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly atMs: number;
  /** Number of the session: of a transient client, one for each connection. */
  readonly session: number;
}

export interface Subscription {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
}

export class Subscriber extends SimClient {
  readonly subscription: Subscription;
  readonly got: Delivery[] = [];
  /** When SUBACK came, by session. */
  readonly subscribedMs = new Map<number, number>();
  session = 1;
  private isSubscribing = false;
  /** Identifiers between PUBLISH and PUBREL. */
  private readonly held = new Map<number, string>();

  constructor(
    clientId: string,
    traits: ClientTraits,
    subscription: Subscription,
    home: ClientHome,
  ) {
    super(clientId, traits, home);
    this.subscription = subscription;
  }

  get isShared(): boolean {
    return this.subscription.filter.startsWith('$share/');
  }

  override waitingFor(): string {
    return this.isSubscribing ? 'SUBACK' : '';
  }

  protected override onWelcome(isPresent: boolean): void {
    if (!isPresent) {
      this.held.clear();
      if (this.connections.some((one) => one !== this.current && one.isWelcome)) this.session++;
    }
    this.isSubscribing = false;
    if (!this.subscribedMs.has(this.session)) this.subscribe();
  }

  protected override onPacket(packet: Received): void {
    const { cmd, messageId } = packet;
    if (cmd === 'suback') {
      this.onAnswered();
      this.isSubscribing = false;
      const code = packet.granted?.[0] ?? 0;
      if (code >= 0x80) {
        // The store is away: later.
        this.home.loop.schedule(this.process, 500, () => {
          if (this.isConnected && !this.subscribedMs.has(this.session)) this.subscribe();
        });
        return;
      }
      if (!this.subscribedMs.has(this.session)) {
        this.subscribedMs.set(this.session, this.home.loop.nowMs);
      }
      this.trace('is subscribed');
    } else if (cmd === 'pubrel') {
      this.onPubrel(messageId!);
      this.send({ cmd: 'pubcomp', messageId: messageId! });
    } else if (cmd === 'publish') {
      this.onPublish(packet);
    }
  }

  private subscribe(): void {
    const { filter, qos } = this.subscription;
    this.isSubscribing = true;
    this.trace(`subscribes to ${filter}`);
    this.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: filter, qos }] });
  }

  private onPublish(packet: Received): void {
    const { messageId, qos = 0, topic = '' } = packet;
    const payload = packet.payload!.toString();
    if (qos === 2) {
      const before = this.held.get(messageId!);
      if (before !== undefined && before !== payload) {
        const what = `${payload} under the identifier ${messageId} of ${before}`;
        this.home.onProblem(`${this.clientId} got ${what} (P2)`);
      }
      if (before === undefined) this.keep(packet, topic, payload, qos);
      this.held.set(messageId!, payload);
    } else {
      this.keep(packet, topic, payload, qos);
    }
    if (qos > 0) this.answer(messageId!, qos);
  }

  /** An application may take messages over at PUBREL: in order then, too [MQTT-4.6.0-4]. */
  private onPubrel(messageId: number): void {
    const [first] = this.held.keys();
    if (first !== messageId && this.held.has(messageId)) {
      const what = `PUBREL of ${this.held.get(messageId)} before that of ${this.held.get(first!)}`;
      this.home.onProblem(`${this.clientId} got ${what} (P5)`);
    }
    this.held.delete(messageId);
  }

  private keep(packet: Received, topic: string, payload: string, qos: number): void {
    this.trace(`gets ${payload}${packet.dup ? ' with DUP' : ''}`);
    this.got.push({
      topic,
      payload,
      qos,
      retain: packet.retain === true,
      dup: packet.dup === true,
      atMs: this.home.loop.nowMs,
      session: this.session,
    });
  }

  /** At once, or a little later, but in order [MQTT-4.6.0-2]. */
  private answer(messageId: number, qos: number): void {
    const { current } = this;
    const packet = { cmd: qos === 2 ? 'pubrec' : 'puback', messageId } as const;
    const waitMs =
      this.answersMs > this.home.loop.nowMs ? this.answersMs - this.home.loop.nowMs : 0;
    const delayMs = waitMs + (this.home.draw.chance(0.2) ? this.home.draw.between(0, 200) : 0);
    this.answersMs = this.home.loop.nowMs + delayMs;
    this.home.loop.schedule(this.process, delayMs, () => {
      if (this.current === current) this.send(packet);
    });
  }

  private answersMs = 0;
}
