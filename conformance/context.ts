/** What a test gets: its version, its own topics and client ids, and clients that end with it. */
import type { Broker } from './brokers/broker.js';
import type { ProfileName } from './brokers/profiles.js';
import { ExpectationError } from './expect.js';
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
}

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
  private clientIds = 0;

  constructor(label: VersionLabel, broker: Broker, profile: ProfileName) {
    this.label = label;
    this.version = versionOf[label];
    this.broker = broker;
    this.profile = profile;
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

  endpoint(profile = this.profile): Endpoint {
    return this.broker.endpoint(profile);
  }

  /** A connection on which nothing was sent. */
  async open(options: ConnectOptions = {}): Promise<RawClient> {
    const endpoint = this.endpoint(options.profile);
    const isWebSocket = (options.profile ?? this.profile) === 'websockets';
    const wire = isWebSocket ? await openWebSocket(endpoint) : await openTcp(endpoint);
    const clientId = options.clientId === undefined ? this.clientId() : String(options.clientId);
    const client = new RawClient(wire, options.version ?? this.version, clientId);
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

  /** Cuts every client, and takes away what the test left at the broker. */
  async finish(): Promise<void> {
    for (const client of this.clients) client.cut();
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

  private connectFields(client: RawClient, options: ConnectOptions): build.ConnectFields {
    const { isDurable, profile: _profile, version: _version, ...fields } = options;
    if (isDurable) this.durable.set(client.clientId, options);
    if (!isDurable) return { clientId: client.clientId, ...fields };
    if (client.version !== 5) return { clientId: client.clientId, clean: false, ...fields };
    const given = fields.properties;
    const properties = Buffer.isBuffer(given) ? given : { sessionExpiryInterval: 300, ...given };
    return { clientId: client.clientId, clean: false, ...fields, properties };
  }
}
