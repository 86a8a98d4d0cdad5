/** A small MQTT 5.0 client that shows every packet, to look at what a broker allows. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet';
import { within } from '../support/until.js';

const version = { protocolVersion: 5 };

export class RawClient {
  private readonly socket: Socket;
  private readonly received: Packet[] = [];
  private wake: () => void = () => undefined;
  private isClosed = false;
  private packetId = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    const reader = parser(version);
    reader.on('packet', (packet) => {
      this.received.push(packet);
      this.wake();
    });
    socket.on('data', (bytes) => reader.parse(bytes));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.isClosed = true;
      this.wake();
    });
  }

  /** Connects; rejects when the broker does not accept it. */
  static async connect(port: number, options: Partial<IConnectPacket>): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    await within('a TCP connection', once(socket, 'connect'));
    socket.setNoDelay(true);
    const client = new RawClient(socket);
    client.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 5,
      clean: true,
      keepalive: 60,
      clientId: '',
      ...options,
    });
    const answer = await client.next();
    if (answer.cmd !== 'connack' || answer.reasonCode !== 0) {
      throw new Error(`refused: ${JSON.stringify(answer)}`);
    }
    return client;
  }

  /** Publishes at QoS 1; the reason code of the PUBACK. */
  async publish(topic: string): Promise<number> {
    this.send({
      cmd: 'publish',
      topic,
      payload: 'x',
      qos: 1,
      messageId: this.nextPacketId(),
      retain: false,
      dup: false,
    });
    const answer = await this.next();
    if (answer.cmd !== 'puback') throw new Error(`no PUBACK: ${JSON.stringify(answer)}`);
    return answer.reasonCode ?? 0;
  }

  /** Subscribes at QoS 0; the reason code of the SUBACK. */
  async subscribe(filter: string): Promise<number> {
    this.send({
      cmd: 'subscribe',
      messageId: this.nextPacketId(),
      subscriptions: [{ topic: filter, qos: 0 }],
    });
    const answer = await this.next();
    if (answer.cmd !== 'suback') throw new Error(`no SUBACK: ${JSON.stringify(answer)}`);
    return Number(answer.granted[0]);
  }

  /** Topics of the messages that came before the answer to a PINGREQ sent now. */
  async deliveredSoFar(): Promise<string[]> {
    this.send({ cmd: 'pingreq' });
    const topics: string[] = [];
    for (;;) {
      const packet = await this.next();
      if (packet.cmd === 'pingresp') return topics;
      if (packet.cmd === 'publish') topics.push(packet.topic);
    }
  }

  close(): void {
    this.socket.destroy();
  }

  private send(packet: Packet): void {
    this.socket.write(generate(packet, version));
  }

  private async next(): Promise<Packet> {
    while (this.received.length === 0) {
      if (this.isClosed) throw new Error('the broker closed the connection');
      await within('a packet', new Promise<void>((resolve) => (this.wake = resolve)));
    }
    return this.received.shift() as Packet;
  }

  private nextPacketId(): number {
    this.packetId++;
    return this.packetId;
  }
}
