/** Clients that keep what a client must keep, and survive their connections and the broker. */
import * as assert from 'uvu/assert';
import type { FakeClient, Received } from '../../support/fake-broker.js';
import { type DurableBroker, FOREVER } from './durable-broker.js';

/** A client with a durable session that is connected now and then. */
abstract class Actor {
  readonly clientId: string;
  protected readonly broker: DurableBroker;
  protected client: FakeClient | null = null;
  private isWelcome = false;

  constructor(broker: DurableBroker, clientId: string) {
    this.broker = broker;
    this.clientId = clientId;
  }

  /** Connected, and its CONNACK has come. */
  get isHere(): boolean {
    return this.client !== null && this.isWelcome;
  }

  connect(): void {
    if (this.client !== null) return;
    this.isWelcome = false;
    const { clientId } = this;
    this.client = this.broker.broker.request({ clientId, clean: false, properties: FOREVER });
  }

  drop(): void {
    this.client?.drop();
    this.lose();
  }

  /** The broker is another one. */
  lose(): void {
    this.client = null;
    this.isWelcome = false;
  }

  /** Takes what has come, and answers. */
  act(): void {
    const { client } = this;
    if (client === null) return;
    for (const packet of client.take()) this.on(packet);
    if (!client.isOpen && this.client === client) this.lose();
  }

  protected abstract onPacket(packet: Received): void;
  protected abstract onWelcome(): void;

  private on(packet: Received): void {
    if (packet.cmd === 'disconnect') return;
    if (packet.cmd !== 'connack') {
      this.onPacket(packet);
      return;
    }
    if (packet.reasonCode !== 0) return;
    assert.is(packet.sessionPresent, true, `${this.clientId} has its session`);
    this.isWelcome = true;
    this.onWelcome();
  }
}

interface Outgoing {
  readonly payload: string;
  readonly qos: 1 | 2;
  readonly packetId: number;
  state: 'publish' | 'pubrel';
}

const IDS = 12;

/** Publishes to topic `a`. */
export class Publisher extends Actor {
  readonly acknowledged: string[] = [];
  readonly sent: string[] = [];
  private waiting: Outgoing[] = [];
  private count = 0;
  private lastId = 0;

  get isDone(): boolean {
    return this.waiting.length === 0;
  }

  publish(qos: 1 | 2): void {
    if (!this.isHere || this.waiting.length >= IDS) return;
    do this.lastId = (this.lastId % IDS) + 1;
    while (this.waiting.some(({ packetId }) => packetId === this.lastId));
    const payload = `${this.clientId}${++this.count}q${qos}`;
    const item: Outgoing = { payload, qos, packetId: this.lastId, state: 'publish' };
    this.waiting.push(item);
    this.sent.push(payload);
    this.send(item, false);
  }

  /** Sends a message again that is not acknowledged: nothing forbids it in MQTT 3.1.1. */
  repeat(n: number): void {
    const open = this.waiting.filter(({ state, qos }) => state === 'publish' && qos === 2);
    if (this.isHere && open.length > 0) this.send(open[n % open.length]!, true);
  }

  protected onWelcome(): void {
    // In their order [MQTT-4.4.0-1].
    for (const item of this.waiting) {
      if (item.state === 'publish') this.send(item, true);
      else this.client!.post({ cmd: 'pubrel', messageId: item.packetId });
    }
  }

  protected onPacket({ cmd, messageId, reasonCode = 0 }: Received): void {
    const item = this.waiting.find(({ packetId }) => packetId === messageId);
    if (item === undefined) {
      assert.is(cmd, 'pubrec', 'only a repeat is acknowledged twice');
      return;
    }
    // PUBREL may have been heard before the connection broke: then the identifier is unknown.
    const isUnknown = cmd === 'pubcomp' && reasonCode === 0x92;
    assert.ok(reasonCode < 0x80 || isUnknown, `${cmd} ${reasonCode}`);
    if (cmd === 'puback' || cmd === 'pubrec') this.taken(item);
    if (cmd === 'pubrec') {
      if (item.state === 'publish') this.client!.post({ cmd: 'pubrel', messageId: messageId! });
      item.state = 'pubrel';
    } else {
      this.waiting = this.waiting.filter((one) => one !== item);
    }
  }

  private taken({ payload }: Outgoing): void {
    if (!this.acknowledged.includes(payload)) this.acknowledged.push(payload);
  }

  private send({ payload, qos, packetId }: Outgoing, dup: boolean): void {
    this.client!.post({
      cmd: 'publish',
      topic: 'a',
      payload,
      qos,
      dup,
      retain: false,
      messageId: packetId,
    });
  }
}

/** Gets what is published; QoS 2 as it is granted. */
export class Subscriber extends Actor {
  /** In the order of their first coming; QoS 1 may be there more than once. */
  readonly got: string[] = [];
  /** Does not acknowledge for now. */
  isLazy = false;
  private readonly seen = new Map<number, string>();
  private owed: Received[] = [];

  override act(): void {
    super.act();
    if (this.isLazy || !this.isHere) return;
    for (const { messageId, qos } of this.owed.splice(0)) {
      this.client!.post({ cmd: qos === 2 ? 'pubrec' : 'puback', messageId: messageId! });
    }
  }

  protected onWelcome(): void {
    this.owed = [];
  }

  protected onPacket(packet: Received): void {
    const { cmd, messageId, payload } = packet;
    if (cmd === 'pubrel') {
      this.seen.delete(messageId!);
      this.client!.post({ cmd: 'pubcomp', messageId: messageId! });
      return;
    }
    if (cmd !== 'publish') return;
    const text = payload!.toString();
    this.owed.push(packet);
    if (packet.qos === 2) {
      const before = this.seen.get(messageId!);
      if (before !== undefined) {
        assert.is(before, text, 'an identifier has one message until PUBREL');
        return;
      }
      this.seen.set(messageId!, text);
    }
    this.got.push(text);
  }
}
