/**
 * A publisher that does what the specification says: what was not acknowledged on one connection
 * goes out again on the next one, in order, with DUP and its packet identifier [MQTT-4.4.0-1], and
 * PUBREL in place of PUBLISH once PUBREC came [MQTT-4.3.3-6] [MQTT-4.3.3-7].
 */
import type { IConnackPacket, Packet } from 'mqtt-packet';
import { Client, type ClientOptions } from './client.js';
import type { Ledger, Stream } from './ledger.js';
import { payloadOf } from './payload.js';

interface Flight {
  readonly packetId: number;
  readonly stream: Stream;
  readonly number: number;
}

export interface PublisherOptions extends ClientOptions {
  readonly ledger: Ledger;
  readonly streams: readonly Stream[];
  /** Messages in flight at most. */
  readonly window: number;
  /** Sends only when it is pumped from outside, not with every acknowledgement. */
  readonly isPaced?: boolean;
  /** Default: a numbered one. */
  readonly payload?: (stream: Stream, number: number) => Buffer;
}

/** Readers may be so far behind; then the publishers slow down for them. */
const backlogMax = 20_000;
const idMax = 65_535;
const isRefusal = 0x80;

export class Publisher extends Client {
  /** False: sends nothing new. */
  isPublishing = true;
  /** Without PUBACK or PUBREC, by packet identifier, in the order of their PUBLISH. */
  private readonly flights = new Map<number, Flight>();
  /** Without PUBCOMP, in the order of their PUBREC. */
  private readonly released = new Map<number, Flight>();
  /** Identifiers without acknowledgement, in the order sent on this connection; [QoS - 1]. */
  private unanswered: [number[], number[]] = [[], []];
  private nextId = 1;
  private nextStream = 0;
  private window: number;
  private readonly settings: PublisherOptions;

  constructor(options: PublisherOptions) {
    super(options);
    this.settings = options;
    this.window = options.window;
  }

  /** Messages that the broker has not fully acknowledged. */
  get inflight(): number {
    return this.flights.size + this.released.size;
  }

  /** What it waits for, in words; null: nothing. */
  get waiting(): string | null {
    const { clientId, flights, inflight, place, released } = this;
    if (inflight === 0) return null;
    return `${clientId} ${place}: ${flights.size} messages, ${released.size} PUBRELs`;
  }

  /** Sends what there is room for. */
  pump(): void {
    const { ledger } = this.settings;
    if (this.inflight < this.window && ledger.backlog <= backlogMax) this.sendUpTo(this.window);
  }

  /** As `pump`; called again and again. Also when readers are far behind something is sent. */
  tick(): void {
    this.pump();
    this.sendUpTo(1);
  }

  protected override onConnected(isPresent: boolean, connack: IConnackPacket): void {
    const receiveMaximum = connack.properties?.receiveMaximum ?? idMax;
    this.window = Math.min(this.settings.window, receiveMaximum);
    this.unanswered = [[], []];
    if (isPresent) {
      for (const { packetId } of this.released.values()) this.release(packetId);
    } else {
      // Nobody knows the identifiers; their messages were acknowledged.
      this.released.clear();
    }
    for (const flight of this.flights.values()) this.publish(flight, isPresent);
    this.pump();
  }

  protected override onPacket(packet: Packet): void {
    switch (packet.cmd) {
      case 'puback':
        this.onPuback(packet.messageId ?? 0, packet.reasonCode ?? 0);
        break;
      case 'pubrec':
        this.onPubrec(packet.messageId ?? 0, packet.reasonCode ?? 0);
        break;
      case 'pubcomp':
        if (!this.released.delete(packet.messageId ?? 0)) this.breach('PUBCOMP of nothing');
        break;
      default:
        this.breach(`${packet.cmd} for a publisher`);
    }
    if (this.settings.isPaced !== true) this.pump();
  }

  protected override onLost(): void {
    // All that is in flight goes out again with the next connection.
  }

  private sendUpTo(inflightMax: number): void {
    const { streams } = this.settings;
    while (this.isConnected && this.isPublishing && this.inflight < inflightMax) {
      const stream = streams[this.nextStream++ % streams.length];
      const flight = { packetId: this.takeId(), stream, number: stream.take() };
      this.flights.set(flight.packetId, flight);
      this.publish(flight, false);
    }
  }

  private onPuback(packetId: number, reasonCode: number): void {
    const flight = this.take(packetId, 1, reasonCode);
    if (flight !== null) this.settings.ledger.acknowledge(flight.stream, flight.number);
  }

  private onPubrec(packetId: number, reasonCode: number): void {
    const flight = this.take(packetId, 2, reasonCode);
    if (flight === null) return;
    this.settings.ledger.acknowledge(flight.stream, flight.number);
    this.released.set(packetId, flight);
    this.release(packetId);
  }

  /** The flight that is acknowledged; null: it is none, or was refused. */
  private take(packetId: number, qos: 1 | 2, reasonCode: number): Flight | null {
    const name = qos === 1 ? 'PUBACK' : 'PUBREC';
    const order = this.unanswered[qos - 1];
    const flight = this.flights.get(packetId);
    if (flight === undefined || flight.stream.qos !== qos) {
      this.breach(`${name} of nothing (${packetId})`);
      return null;
    }
    // [MQTT-4.6.0-2] [MQTT-4.6.0-3]
    if (order[0] === packetId) order.shift();
    else this.breach(`${name} ${packetId} out of order: ${order[0]} is next`);
    this.flights.delete(packetId);
    if (reasonCode < isRefusal) return flight;
    this.breach(`${name} refuses with ${reasonCode}`);
    return null;
  }

  private publish({ packetId, stream, number }: Flight, dup: boolean): void {
    const { topic, qos, retain, index } = stream;
    const payload = this.settings.payload?.(stream, number) ?? payloadOf(index, number);
    this.unanswered[qos - 1].push(packetId);
    stream.onSent(number, this.life);
    this.send({ cmd: 'publish', topic, qos, retain, dup, messageId: packetId, payload });
  }

  private release(packetId: number): void {
    this.send({ cmd: 'pubrel', messageId: packetId, reasonCode: 0 });
  }

  private takeId(): number {
    while (this.flights.has(this.nextId) || this.released.has(this.nextId)) this.countId();
    const id = this.nextId;
    this.countId();
    return id;
  }

  private countId(): void {
    this.nextId = this.nextId === idMax ? 1 : this.nextId + 1;
  }
}
