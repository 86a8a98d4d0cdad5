/** What a test gets: its version, its own topics and client ids, and clients that end with it. */
import type { Broker } from './brokers/broker.js';
import type { ProfileName } from './brokers/profiles.js';
import { ExpectationError, ok } from './expect.js';
import type * as build from './raw/build.js';
import type { Breach } from './raw/rules.js';
import { openWebSocket } from './raw/websocket.js';
import { type Endpoint, openTcp } from './raw/wire.js';
import { RawClient } from './raw-client.js';
import { type VersionLabel, versionOf } from './registry.js';

export interface ConnectOptions extends build.ConnectFields {
  /** Keeps the session: CleanSession 0, or Clean Start 0 with a Session Expiry Interval. */
  readonly isDurable?: boolean;
  /** Listener, when it is not the test's own. */
  readonly profile?: ProfileName;
  readonly version?: build.Version;
  /** Broker of a cluster, from 0; default: the next one in turn. */
  readonly node?: number;
  /** It is no client of the test, but sends what shows that nothing else is on its way. */
  readonly isWitness?: boolean;
}

/** Longest wait for a QoS 0 message, which nobody acknowledges, to be everywhere. */
const SPREAD_MS = 6000;

let contexts = 0;

export class TestContext {
  readonly label: VersionLabel;
  readonly version: build.Version;
  readonly broker: Broker;
  readonly profile: ProfileName;
  private readonly number = ++contexts;
  private readonly clients: RawClient[] = [];
  private readonly durable = new Map<string, ConnectOptions>();
  private readonly retained = new Set<string>();
  /** One at each broker of a cluster, once they are needed. */
  private readonly witnesses = new Map<number, RawClient>();
  /** Brokers of a cluster that clients of this test talked to. */
  private readonly nodesUsed = new Set<number>();
  private clientIds = 0;
  private nextNode: number;

  constructor(label: VersionLabel, broker: Broker, profile: ProfileName) {
    this.label = label;
    this.version = versionOf[label];
    this.broker = broker;
    this.profile = profile;
    this.nextNode = this.number;
  }

  /** Its clients talked to different brokers of a cluster. */
  get isAcross(): boolean {
    return this.nodesUsed.size > 1;
  }

  get isV5(): boolean {
    return this.version === 5;
  }

  /** A topic that no other test uses. */
  topic(suffix = 't'): string {
    return `conf/${process.pid}x${this.number}/${suffix}`;
  }

  /** A client id that no other test uses, of letters and digits, at most 23 of them. */
  clientId(suffix = ''): string {
    return `c${process.pid}n${this.number}i${++this.clientIds}${suffix}`;
  }

  /** In a cluster, each call gives the next broker in turn. */
  endpoint(profile = this.profile, node = this.nodeInTurn()): Endpoint {
    this.nodesUsed.add(node);
    return this.broker.endpoint(profile, node);
  }

  /** A connection on which nothing was sent. */
  async open(options: ConnectOptions = {}): Promise<RawClient> {
    const { isWitness = false, node } = options;
    const profile = options.profile ?? this.profile;
    const endpoint = isWitness ? this.broker.endpoint(profile, node) : this.endpoint(profile, node);
    const isWebSocket = profile === 'websockets';
    const wire = isWebSocket ? await openWebSocket(endpoint) : await openTcp(endpoint);
    const clientId = options.clientId === undefined ? this.clientId() : String(options.clientId);
    const client = new RawClient(wire, options.version ?? this.version, clientId);
    client.witnesses = () => this.witnessesOf(profile);
    this.clients.push(client);
    return client;
  }

  /** A connection after CONNECT, not yet answered. */
  async begin(options: ConnectOptions = {}): Promise<RawClient> {
    const client = await this.open(options);
    client.sendConnect(this.connectFields(client, options));
    return client;
  }

  /** A connected client. */
  async connect(options: ConnectOptions = {}): Promise<RawClient> {
    const client = await this.begin(options);
    const connack = await client.expect('connack');
    if (connack.reasonCode !== 0) {
      throw new ExpectationError('CONNACK 0x00', `0x${connack.reasonCode.toString(16)}`);
    }
    if (options.isDurable && this.broker.nodes.length > 1) {
      client.settle = () => this.settle(client);
    }
    return client;
  }

  /** Several connected clients. */
  async connectAll<List extends readonly ConnectOptions[]>(
    ...list: List
  ): Promise<{ [Index in keyof List]: RawClient }> {
    const clients = await Promise.all(list.map((options) => this.connect(options)));
    return clients as { [Index in keyof List]: RawClient };
  }

  /** Publishes retained at QoS 1; the message is removed after the test. */
  async retain(client: RawClient, topic: string, payload: string, qos = 1): Promise<void> {
    this.retained.add(topic);
    await client.publish(topic, payload, { qos, retain: true });
    await client.ping();
    if (qos === 0) await this.spread(topic, payload);
  }

  /** A topic whose retained message is to be removed after the test. */
  willRetain(topic: string): string {
    this.retained.add(topic);
    return topic;
  }

  breaches(): Breach[] {
    return this.clients.flatMap((client) => client.breaches);
  }

  seenTypes(): Set<string> {
    return new Set(this.clients.flatMap((client) => [...client.seen.keys()]));
  }

  /** Ends every client without a word. */
  cutAll(): void {
    for (const client of this.clients) client.cut();
  }

  /** Cuts every client, and takes away what the test left at the broker. */
  async finish(): Promise<void> {
    this.cutAll();
    if (this.durable.size === 0 && this.retained.size === 0) return;
    for (const [clientId, options] of this.durable) {
      const { profile = this.profile, version = this.version } = options;
      const { username, password } = options;
      const credentials = username === undefined ? {} : { username, password: password ?? '' };
      const client = await this.connect({ clientId, profile, version, ...credentials });
      await client.disconnect();
    }
    if (this.retained.size === 0) return;
    const client = await this.connect(this.profile === 'access' ? this.broker.credentials : {});
    for (const topic of this.retained) await client.publish(topic, '', { retain: true });
    await client.ping();
    client.cut();
  }

  private nodeInTurn(): number {
    const { nodes } = this.broker;
    return nodes[this.nextNode++ % nodes.length];
  }

  /** One client at each broker of a cluster; none when there is but one. */
  private async witnessesOf(profile: ProfileName): Promise<RawClient[]> {
    const { nodes } = this.broker;
    if (nodes.length === 1) return [];
    const found: RawClient[] = [];
    for (const node of nodes) {
      const before = this.witnesses.get(node);
      const login = profile === 'access' ? this.broker.credentials : {};
      const witness =
        before !== undefined && !before.isClosed
          ? before
          : await this.connect({ profile, node, isWitness: true, ...login });
      this.witnesses.set(node, witness);
      found.push(witness);
    }
    return found;
  }

  /**
   * What a session acknowledged is stored in order with its subscriptions, which SUBACK waits for.
   * Without this, a client that is at another broker at once may get it again.
   */
  private async settle(client: RawClient): Promise<void> {
    if (client.isClosed) return;
    const topic = `fence/settled/${client.clientId}`;
    await client.subscribe(topic);
    await client.unsubscribe(topic);
  }

  /** Waits until every broker has a retained message whose publish said nothing about that. */
  private async spread(topic: string, payload: string): Promise<void> {
    for (const witness of await this.witnessesOf(this.profile)) {
      const end = performance.now() + SPREAD_MS;
      for (;;) {
        await witness.subscribe(topic);
        await witness.ping();
        const found = witness.packets.splice(0).map((one) => one.payload.toString());
        await witness.unsubscribe(topic);
        if (found.join() === payload) break;
        ok(performance.now() < end, `"${payload}" retained at every broker`, `"${found.join()}"`);
      }
    }
  }

  private connectFields(client: RawClient, options: ConnectOptions): build.ConnectFields {
    const { isDurable, profile: _, version: _version, node: _node, ...rest } = options;
    const { isWitness: _isWitness, ...fields } = rest;
    if (isDurable) this.durable.set(client.clientId, options);
    if (!isDurable) return { clientId: client.clientId, ...fields };
    if (client.version !== 5) return { clientId: client.clientId, clean: false, ...fields };
    const given = fields.properties;
    const properties = Buffer.isBuffer(given) ? given : { sessionExpiryInterval: 300, ...given };
    return { clientId: client.clientId, clean: false, ...fields, properties };
  }
}
