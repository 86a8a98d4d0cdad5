/** An MQTT 3.1.1 client for one step after the other: it sends, then waits for so many answers. */
import { connect, type Socket } from 'node:net';
import { BenchError } from '../bench-error.js';
import { connectPacket, publishPacket, readPackets, subscribePacket } from '../durable/fill.js';
import { packet } from '../load/packets.js';

const STALL_MS = 60_000;
const PACKET_IDS = 65_535;

const CONNACK = 2;
const PUBLISH = 3;
const PUBACK = 4;
const SUBACK = 9;

interface Step {
  readonly type: number;
  /** In all, since the connection began. */
  readonly count: number;
  readonly resolve: () => void;
  readonly reject: (error: BenchError) => void;
}

export class StepClient {
  private readonly socket: Socket;
  /** Packets that came, by type. */
  private readonly came = new Array<number>(16).fill(0);
  private rest: Buffer = Buffer.alloc(0);
  private step: Step | null = null;
  private failure: BenchError | null = null;
  private sentSubscribes = 0;

  /** Resolves at CONNACK. @param source an address of our own, for more connections than ports */
  static async connect(
    port: number,
    clientId: string,
    isClean: boolean,
    source = '127.0.0.1',
  ): Promise<StepClient> {
    const client = new StepClient(
      connect({ port, host: '127.0.0.1', localAddress: source, noDelay: true }),
    );
    client.socket.write(connectPacket(clientId, isClean));
    await client.until(CONNACK, 1);
    return client;
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setTimeout(STALL_MS, () => {
      if (this.step !== null) this.fail(`nothing happened for ${STALL_MS / 1000} s`);
    });
    socket.on('error', ({ message }) => this.fail(message));
    socket.on('close', () => this.fail('closed by the broker'));
    socket.on('data', (chunk: Buffer) => this.onData(chunk));
  }

  /** All filters in one packet. Resolves at SUBACK. */
  async subscribe(filters: readonly string[]): Promise<void> {
    this.socket.write(subscribePacket(filters));
    await this.until(SUBACK, ++this.sentSubscribes);
  }

  /** A packet per filter, at most `window` without an answer. Resolves at the last SUBACK. */
  async subscribeEach(filters: readonly string[], window: number): Promise<void> {
    const before = this.sentSubscribes;
    for (const [index, filter] of filters.entries()) {
      this.socket.write(subscribePacket([filter], (index % PACKET_IDS) + 1));
      this.sentSubscribes++;
      await this.until(SUBACK, before + index + 2 - window);
    }
    await this.until(SUBACK, this.sentSubscribes);
  }

  /** Resolves at PUBACK. Once per connection. */
  async publish(topic: string): Promise<void> {
    this.socket.write(publishPacket(topic, 1, false));
    await this.until(PUBACK, 1);
  }

  /** Resolves when so many messages came in all. */
  async untilMessages(count: number): Promise<void> {
    await this.until(PUBLISH, count);
  }

  /** DISCONNECT. */
  end(): void {
    this.step = null;
    this.socket.end(packet(0xe0, Buffer.alloc(0)));
  }

  private until(type: number, count: number): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.failure);
    if (this.came[type] >= count) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.step = { type, count, resolve, reject };
    });
  }

  private onData(chunk: Buffer): void {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    this.rest = readPackets(bytes, (type) => {
      this.came[type]++;
    });
    const { step } = this;
    if (step === null || this.came[step.type] < step.count) return;
    this.step = null;
    step.resolve();
  }

  private fail(detail: string): void {
    this.socket.destroy();
    this.failure ??= new BenchError(`a client of the benchmark failed: ${detail}`);
    this.step?.reject(this.failure);
    this.step = null;
  }
}
