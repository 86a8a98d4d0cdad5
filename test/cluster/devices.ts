/**
 * Clients with a durable session that go from broker to broker, and do what the specification
 * says: a subscriber that holds QoS 2 identifiers through all its connections, and a publisher
 * that goes on with what was not acknowledged.
 */
import type { TestContext } from '../../conformance/context.js';
import { ExpectationError } from '../../conformance/expect.js';
import * as build from '../../conformance/raw/build.js';
import { code, type Packet } from '../../conformance/raw/packet.js';
import type { RawClient } from '../../conformance/raw-client.js';
import { until } from '../support/until.js';

/** A broker that waits for the lease of another one, or is about to leave, may take that long. */
const answerMs = 20_000;
const connectMs = 40_000;
/** Longer than any test. */
const foreverMs = 300_000;

/** Brokers that may be connected to now. */
export type Nodes = () => readonly number[];

abstract class Device {
  readonly clientId: string;
  /** What a correct broker never does. */
  readonly faults: string[] = [];
  connects = 0;
  slowestConnectMs = 0;
  /** The connection in use; what comes on one before it is not heard any more. */
  client: RawClient | null = null;
  protected readonly t: TestContext;
  private readonly nodes: Nodes;
  private turn = 0;

  constructor(t: TestContext, nodes: Nodes) {
    this.t = t;
    this.nodes = nodes;
    this.clientId = t.clientId();
  }

  /** Connects to that broker, also while there is a connection to another one. */
  async connectTo(node: number): Promise<RawClient> {
    this.client = null;
    const startMs = performance.now();
    const client = await this.t.begin({ node, clientId: this.clientId, isDurable: true });
    const { reasonCode, sessionPresent } = await client.expect('connack', -1, answerMs);
    if (reasonCode !== 0) throw new ExpectationError('CONNACK 0x00', code(reasonCode));
    this.slowestConnectMs = Math.max(this.slowestConnectMs, performance.now() - startMs);
    if (this.connects > 0 && !sessionPresent) this.faults.push(`the session is gone at ${node}`);
    this.connects++;
    this.client = client;
    return client;
  }

  /** Connects to one after the other until one takes it. */
  connectSomewhere(): Promise<RawClient> {
    const attempt = async (): Promise<RawClient | null> => {
      const nodes = this.nodes();
      const node = nodes[this.turn++ % nodes.length];
      if (node === undefined) return null;
      try {
        return await this.connectTo(node);
      } catch {
        return null;
      }
    };
    return until('a broker that takes the client', attempt, { deadlineMs: connectMs });
  }
}

export class Subscriber extends Device {
  /** What its application got: QoS 1 as often as it came. */
  readonly got: string[] = [];
  private readonly seen = new Set<string>();
  /** QoS 1 identifier → the last message that had it. */
  private readonly lastOf = new Map<number, string>();
  /** QoS 2 identifier → message, from PUBREC to PUBREL. */
  private readonly held = new Map<number, string>();
  private isRoaming = false;

  override async connectTo(node: number): Promise<RawClient> {
    const client = await super.connectTo(node);
    this.listen(client).catch((error: unknown) => this.faults.push(String(error)));
    return client;
  }

  /** From now on it connects again by itself whenever it loses its connection. */
  roam(): void {
    this.isRoaming = true;
  }

  rest(): void {
    this.isRoaming = false;
  }

  async untilGot(expected: readonly string[], deadlineMs: number): Promise<void> {
    const missing = () => expected.filter((text) => !this.seen.has(text));
    await until('every message', () => missing().length === 0, { deadlineMs }).catch((cause) => {
      const left = missing();
      const state = this.client?.isClosed === false ? 'connected' : 'not connected';
      const what = `${left.length} of ${expected.length}: ${left.slice(0, 10).join(' ')}`;
      throw new Error(`${this.clientId}, ${state}, misses ${what}`, { cause });
    });
  }

  private async listen(client: RawClient): Promise<void> {
    const isOwn = ({ type }: Packet) => type === 'publish' || type === 'pubrel';
    const hasMore = () => client.isClosed || client.packets.some(isOwn);
    while (!client.isClosed) {
      await client.until('a packet', hasMore, foreverMs);
      for (;;) {
        const at = client.packets.findIndex(isOwn);
        if (at < 0 || this.client !== client) break;
        const [packet] = client.packets.splice(at, 1);
        if (packet.type === 'pubrel') this.onPubrel(client, packet);
        else this.onPublish(client, packet);
      }
      if (this.client !== client) return;
    }
    if (this.isRoaming && this.client === client) await this.connectSomewhere();
  }

  private onPublish(client: RawClient, { dup, packetId, payload, qos }: Packet): void {
    const text = String(payload);
    if (qos === 0) this.faults.push(`${text} came at QoS 0`);
    const isRepeat = qos === 2 ? this.held.has(packetId) : this.lastOf.get(packetId) === text;
    // What its publisher sent again is a new message, with another identifier.
    if (isRepeat && !dup) this.faults.push(`${text} came again without DUP`);
    if (qos === 1) {
      this.lastOf.set(packetId, text);
      this.deliver(text);
      client.send(build.ack(5, 'puback', packetId));
      return;
    }
    if (isRepeat) {
      const before = this.held.get(packetId);
      if (before !== text) this.faults.push(`${packetId} was ${before}, and is ${text}`);
    } else {
      this.held.set(packetId, text);
      if (this.seen.has(text)) this.faults.push(`${text} came twice at QoS 2`);
      this.deliver(text);
    }
    client.send(build.ack(5, 'pubrec', packetId));
  }

  private onPubrel(client: RawClient, { packetId }: Packet): void {
    this.held.delete(packetId);
    client.send(build.ack(5, 'pubcomp', packetId));
  }

  private deliver(text: string): void {
    this.seen.add(text);
    this.got.push(text);
  }
}

/** How far a publisher goes before it is somewhere else. */
export const Step = { Sent: 0, Received: 1, Released: 2, Done: 3 } as const;
export type Step = (typeof Step)[keyof typeof Step];

interface Flight {
  readonly packetId: number;
  readonly topic: string;
  readonly text: string;
  readonly qos: 1 | 2;
  wasSent: boolean;
  isReleased: boolean;
}

export class Publisher extends Device {
  private flight: Flight | null = null;
  private packetId = 0;

  /** Sends a message as far as `step`; the rest is `finish`, on this connection or another one. */
  async publish(topic: string, text: string, qos: 1 | 2, step: Step): Promise<void> {
    this.packetId = (this.packetId % 65_535) + 1;
    const { packetId } = this;
    this.flight = { packetId, topic, text, qos, wasSent: false, isReleased: false };
    await this.go(step);
  }

  /** What is left to do about the last message. */
  async finish(): Promise<void> {
    await this.go(Step.Done);
  }

  /** Publishes a message to its last acknowledgement, over as many connections as it takes. */
  async deliver(topic: string, text: string, qos: 1 | 2): Promise<void> {
    let isBegun = false;
    while (!isBegun || this.flight !== null) {
      if (this.client === null || this.client.isClosed) await this.connectSomewhere();
      const { client } = this;
      try {
        if (isBegun) await this.finish();
        else {
          isBegun = true;
          await this.publish(topic, text, qos, Step.Done);
        }
      } catch (error) {
        if (client?.isClosed !== true) throw error;
      }
    }
  }

  private async go(step: Step): Promise<void> {
    const { client, flight } = this;
    if (flight === null) return;
    if (client === null) throw new Error('the publisher is not connected');
    const { packetId, qos, text, topic } = flight;
    if (!flight.isReleased) {
      const fields = { topic, payload: text, qos, packetId, dup: flight.wasSent };
      client.send(build.publish(5, fields));
      flight.wasSent = true;
      if (step === Step.Sent) return;
      const answer = await client.take(qos === 1 ? 'puback' : 'pubrec', packetId, answerMs);
      if (answer.reasonCode >= 0x80) this.faults.push(`${text}: ${code(answer.reasonCode)}`);
      if (qos === 2) flight.isReleased = true;
    }
    if (qos === 2) {
      if (step === Step.Received) return;
      client.send(build.ack(5, 'pubrel', packetId));
      if (step === Step.Released) return;
      await client.take('pubcomp', packetId, answerMs);
    }
    this.flight = null;
  }
}
