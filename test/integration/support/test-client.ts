/** MQTT.js with its messages kept and its waits bounded. */
import type { Socket } from 'node:net';
import { connect, type IClientOptions, type IPublishPacket, MqttClient } from 'mqtt';
import { until, within } from '../../support/until.js';

export class TestClient {
  readonly client: MqttClient;
  readonly packets: IPublishPacket[] = [];
  /** Errors, refusals included, in order. */
  readonly errors: Error[] = [];
  /** Reason codes of the broker's DISCONNECT packets. */
  readonly disconnects: number[] = [];
  /** Reason codes of PUBACK packets, in order. */
  readonly pubackCodes: number[] = [];
  sessionPresent = false;
  /** The client identifier that the broker gave. */
  assignedId = '';
  /** How often CONNACK came. */
  connects = 0;
  closes = 0;

  private constructor(client: MqttClient) {
    this.client = client;
    client.on('connect', (connack) => {
      this.connects++;
      this.sessionPresent = connack.sessionPresent;
      this.assignedId = connack.properties?.assignedClientIdentifier ?? '';
    });
    // A packet that came with an alias alone has no topic in itself.
    client.on('message', (topic, _payload, packet) => this.packets.push({ ...packet, topic }));
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'puback') this.pubackCodes.push(packet.reasonCode ?? 0);
    });
    client.on('error', (error) => this.errors.push(error));
    client.on('disconnect', (packet) => this.disconnects.push(packet.reasonCode ?? 0));
    client.on('close', () => {
      this.closes++;
    });
  }

  /** Starts to connect: MQTT 5.0 and no second try, unless the options say otherwise. */
  static open(options: IClientOptions): TestClient {
    return new TestClient(
      connect({ protocolVersion: 5, reconnectPeriod: 0, connectTimeout: 5_000, ...options }),
    );
  }

  /** Over a stream of the test's own making. */
  static over(makeStream: () => Socket, options: IClientOptions): TestClient {
    const all = { protocolVersion: 5, reconnectPeriod: 0, connectTimeout: 5_000, ...options };
    return new TestClient(new MqttClient(makeStream, all as IClientOptions));
  }

  get payloads(): string[] {
    return this.packets.map(({ payload }) => payload.toString());
  }

  async untilConnected(): Promise<void> {
    await until('CONNACK', () => {
      if (this.connects === 0 && this.errors.length > 0) throw this.errors[0];
      return this.connects > 0;
    });
  }

  /** The first `count` messages; more than these is the caller's to check. */
  async untilMessages(count: number, deadlineMs = 5_000): Promise<IPublishPacket[]> {
    const said = () => `${count} messages, ${this.packets.length} came`;
    try {
      await until(`${count} messages`, () => this.packets.length >= count, { deadlineMs });
    } catch (cause) {
      throw new Error(said(), { cause });
    }
    return this.packets;
  }

  async untilClosed(): Promise<void> {
    await until('the end of the connection', () => !this.client.connected && this.closes > 0);
  }

  async subscribe(filter: string | string[], qos: 0 | 1 | 2 = 0): Promise<void> {
    const done = this.client.subscribeAsync(filter, { qos });
    await within(`SUBACK for ${filter}`, done, { deadlineMs: 10_000 });
  }

  /** Resolves when the message is acknowledged; at QoS 0 when it is written. */
  async publish(
    topic: string,
    payload: string | Buffer,
    options: Parameters<MqttClient['publishAsync']>[2] = {},
  ): Promise<void> {
    const done = this.client.publishAsync(topic, payload, options);
    await within(`acknowledgement of ${topic}`, done, { deadlineMs: 20_000 });
  }

  /** Cuts the connection without DISCONNECT. */
  async cut(): Promise<void> {
    const before = this.closes;
    this.client.stream.destroy();
    await until('the end of the connection', () => this.closes > before);
  }

  /** Says DISCONNECT when there is a connection. */
  async end(): Promise<void> {
    const ended = this.client.endAsync(!this.client.connected);
    // MQTT.js waits for ever when the other side closes at the same moment.
    await within('the end', ended, { deadlineMs: 1_000 }).catch(() => this.client.end(true));
  }
}
