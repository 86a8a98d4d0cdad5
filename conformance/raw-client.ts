/**
 * A connection of a test: sends any bytes, parses what comes strictly, and waits for packets with
 * a deadline. It never sleeps: that nothing arrives is shown with a fence (`fence`, `ping`).
 */
import { ExpectationError, ok } from './expect.js';
import * as build from './raw/build.js';
import type { Text } from './raw/bytes.js';
import { Observer } from './raw/observer.js';
import { describe, describeAll, type Packet, type PacketType } from './raw/packet.js';
import { nextFrame, parsePacket } from './raw/parse.js';
import type { Breach } from './raw/rules.js';
import { DEADLINE_MS, type Wire } from './raw/wire.js';

export interface PublishOptions extends Omit<build.PublishFields, 'topic' | 'payload'> {}

export interface CloseOptions {
  /** Reason codes that a DISCONNECT, or a refusing CONNACK, may have before the close. */
  readonly codes?: readonly number[];
  readonly deadlineMs?: number;
}

let fences = 0;

export class RawClient {
  readonly version: build.Version;
  readonly clientId: string;
  /** Arrived and not taken yet, in order. */
  readonly packets: Packet[] = [];
  readonly breaches: Breach[] = [];
  /** Every packet that came, also those taken. */
  readonly seen = new Map<PacketType, number>();
  /** All bytes that came, kept only while nothing parses them. */
  rawBytes: Buffer = Buffer.alloc(0);
  connack: Packet | null = null;
  isClosed = false;
  /** Clients at every broker of a cluster, whose fences follow that of the publisher. */
  witnesses: () => Promise<readonly RawClient[]> = async () => [];
  /** In a cluster: what it acknowledged is on record for the broker that it connects to next. */
  settle: () => Promise<void> = async () => undefined;
  private readonly wire: Wire;
  private readonly observer: Observer;
  private pending: Buffer = Buffer.alloc(0);
  private isParsing = true;
  private waiters: (() => void)[] = [];
  private lastPacketId = 0;

  constructor(wire: Wire, version: build.Version, clientId: string) {
    this.wire = wire;
    this.version = version;
    this.clientId = clientId;
    this.observer = new Observer(version, this.breaches);
    wire.onData((bytes) => this.onData(bytes));
    wire.onClose(() => {
      this.isClosed = true;
      this.wake();
    });
  }

  /** Stops parsing: for answers that are in no known version. */
  readRaw(): void {
    this.isParsing = false;
  }

  send(...packets: Buffer[]): void {
    const bytes = Buffer.concat(packets);
    this.observer.onSent(bytes);
    this.wire.write(bytes);
  }

  sendConnect(fields: build.ConnectFields): void {
    this.observer.onConnect(fields);
    this.wire.write(build.connect(this.version, { clientId: this.clientId, ...fields }));
  }

  nextPacketId(): number {
    this.lastPacketId = (this.lastPacketId % 65535) + 1;
    return this.lastPacketId;
  }

  /** Takes the first packet; it must be of this type. */
  async expect(type: PacketType, packetId = -1, deadlineMs = DEADLINE_MS): Promise<Packet> {
    const what = packetId < 0 ? type.toUpperCase() : `${type.toUpperCase()} of id ${packetId}`;
    await this.until(what, () => this.packets.length > 0, deadlineMs);
    const packet = this.packets.shift() as Packet;
    const isRight = packet.type === type && (packetId < 0 || packet.packetId === packetId);
    if (!isRight) throw new ExpectationError(`${what} first`, describe(packet));
    return packet;
  }

  /** Takes the first packet of this type, and leaves those before it. */
  async take(type: PacketType, packetId = -1, deadlineMs = DEADLINE_MS): Promise<Packet> {
    const what = packetId < 0 ? type.toUpperCase() : `${type.toUpperCase()} of id ${packetId}`;
    return this.takeWhere(
      what,
      (packet) => packet.type === type && (packetId < 0 || packet.packetId === packetId),
      deadlineMs,
    );
  }

  async takeWhere(
    what: string,
    matches: (packet: Packet) => boolean,
    deadlineMs = DEADLINE_MS,
  ): Promise<Packet> {
    await this.until(what, () => this.packets.some(matches), deadlineMs);
    return this.packets.splice(this.packets.findIndex(matches), 1)[0];
  }

  /** Takes the next PUBLISH and acknowledges it wholly. */
  async receive(deadlineMs = DEADLINE_MS): Promise<Packet> {
    const message = await this.take('publish', -1, deadlineMs);
    await this.acknowledge(message);
    return message;
  }

  /** Takes and acknowledges so many PUBLISH packets. */
  async receiveAll(count: number): Promise<Packet[]> {
    const messages: Packet[] = [];
    while (messages.length < count) messages.push(await this.receive());
    return messages;
  }

  async acknowledge(message: Packet): Promise<void> {
    if (message.qos === 1) this.send(build.ack(this.version, 'puback', message.packetId));
    if (message.qos !== 2) return;
    this.send(build.ack(this.version, 'pubrec', message.packetId));
    await this.take('pubrel', message.packetId);
    this.send(build.ack(this.version, 'pubcomp', message.packetId));
  }

  /** SUBSCRIBE and its SUBACK. Refusals fail unless `mayRefuse`. */
  async subscribe(
    filters: string | readonly build.FilterFields[],
    qos = 0,
    options: { readonly properties?: build.SubscribeFields['properties']; mayRefuse?: true } = {},
  ): Promise<Packet> {
    const packetId = this.nextPacketId();
    const list = typeof filters === 'string' ? [{ filter: filters, qos }] : filters;
    const properties = options.properties ?? {};
    this.send(build.subscribe(this.version, { packetId, filters: list, properties }));
    const suback = await this.take('suback', packetId);
    const isGranted = suback.reasonCodes.every((reasonCode) => reasonCode < 0x80);
    ok(options.mayRefuse ?? isGranted, 'granted subscriptions', describe(suback));
    return suback;
  }

  async unsubscribe(...filters: Text[]): Promise<Packet> {
    const packetId = this.nextPacketId();
    this.send(build.unsubscribe(this.version, { packetId, filters }));
    return this.take('unsuback', packetId);
  }

  /** PUBLISH and the whole handshake. Returns PUBACK or PUBREC; at QoS 0 null, at once. */
  async publish(topic: Text, payload: Text, options: PublishOptions = {}): Promise<Packet | null> {
    const { qos = 0 } = options;
    if (qos === 0) {
      this.send(build.publish(this.version, { topic, payload, ...options }));
      return null;
    }
    const packetId = options.packetId ?? this.nextPacketId();
    this.send(build.publish(this.version, { topic, payload, ...options, packetId }));
    const answer = await this.take(qos === 1 ? 'puback' : 'pubrec', packetId);
    if (qos === 2 && answer.reasonCode < 0x80) {
      this.send(build.ack(this.version, 'pubrel', packetId));
      await this.take('pubcomp', packetId);
    }
    return answer;
  }

  /** PINGREQ and PINGRESP; leaves what came before. */
  async ping(): Promise<void> {
    this.send(build.pingreq());
    await this.take('pingresp');
  }

  /**
   * Everything that came up to now: `publisher` sends one more message, on a topic of its own at
   * `qos`, and what arrived before it is returned, untaken and unacknowledged. In a cluster
   * each broker sends one more: what came from there comes before it.
   */
  async fence(publisher: RawClient, qos = 0): Promise<Packet[]> {
    const before = await this.fenceOf(publisher, qos);
    for (const witness of await this.witnesses()) {
      before.push(...(await this.fenceOf(witness, qos)));
    }
    return before;
  }

  private async fenceOf(publisher: RawClient, qos: number): Promise<Packet[]> {
    const topic = `fence/${process.pid}/${++fences}`;
    await publisher.ping();
    await this.subscribe(topic, qos);
    await publisher.publish(topic, 'fence', { qos });
    const isFence = (packet: Packet) => packet.topic === topic;
    await this.until('the fence message', () => this.packets.some(isFence), DEADLINE_MS);
    const at = this.packets.findIndex(isFence);
    const before = this.packets.splice(0, at);
    await this.acknowledge(this.packets.shift() as Packet);
    return before;
  }

  /** Fails when anything came before the fence. */
  async expectNothing(publisher: RawClient, qos = 0): Promise<void> {
    const before = await this.fence(publisher, qos);
    ok(before.length === 0, 'nothing delivered', describeAll(before));
  }

  /**
   * The broker must close. Before that nothing may come but, in 5.0, one DISCONNECT or refusing
   * CONNACK with one of the codes. Returns its code; -1: a close without a word.
   */
  async expectClosed(options: CloseOptions = {}): Promise<number> {
    const codes = options.codes ?? [];
    await this.until('a close', () => this.isClosed, options.deadlineMs ?? DEADLINE_MS);
    const left = this.packets.splice(0);
    const [last] = left;
    if (last === undefined) return -1;
    const isFarewell = last.type === 'disconnect' || last.type === 'connack';
    const isRight = left.length === 1 && isFarewell && codes.includes(last.reasonCode);
    const shown = codes.map((code) => `0x${code.toString(16)}`).join(' or ');
    const allowed = codes.length === 0 ? 'a close' : `a close, at most with ${shown}`;
    ok(isRight, allowed, `${describeAll(left)}, then a close`);
    return last.reasonCode;
  }

  /** DISCONNECT, close, and wait until the connection is gone. */
  async disconnect(fields: build.ReasonFields = {}): Promise<void> {
    await this.settle();
    this.send(build.disconnect(this.version, fields));
    this.wire.end();
    await this.until('a close after DISCONNECT', () => this.isClosed, DEADLINE_MS);
  }

  /** Ends the sending side in order, as a client does that says nothing more. */
  end(): void {
    this.wire.end();
  }

  /** Cuts the connection, as a network failure does. */
  cut(): void {
    this.isParsing = false;
    this.wire.destroy();
  }

  /** Waits for a condition on `packets`, `rawBytes` or `isClosed`. */
  async until(what: string, condition: () => boolean, deadlineMs = DEADLINE_MS): Promise<void> {
    const end = performance.now() + deadlineMs;
    while (!condition()) {
      const left = end - performance.now();
      if (this.isClosed) throw new ExpectationError(what, `a close after ${this.describeLeft()}`);
      if (left <= 0) {
        throw new ExpectationError(what, `${this.describeLeft()} within ${deadlineMs} ms`);
      }
      await this.change(left);
    }
  }

  private change(deadlineMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, deadlineMs);
      this.waiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private describeLeft(): string {
    return this.isParsing ? describeAll(this.packets) : `bytes ${this.rawBytes.toString('hex')}`;
  }

  private onData(bytes: Buffer): void {
    if (!this.isParsing) {
      this.rawBytes = Buffer.concat([this.rawBytes, bytes]);
      this.wake();
      return;
    }
    this.pending = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes]);
    for (;;) {
      const one = nextFrame(this.pending, this.breaches);
      if (one === null) break;
      this.pending = this.pending.subarray(one.length);
      const packet = parsePacket(one, this.version, this.breaches);
      this.seen.set(packet.type, (this.seen.get(packet.type) ?? 0) + 1);
      this.observer.onReceived(packet);
      if (packet.type === 'connack') this.connack = packet;
      this.packets.push(packet);
    }
    this.wake();
  }

  private wake(): void {
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) waiter();
  }
}
