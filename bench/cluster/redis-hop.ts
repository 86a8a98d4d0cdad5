/**
 * One Redis hop, as the inboxes of brokers make it, without any broker: from the XADD of one
 * connection to the answer of another one's waiting XREAD.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { BenchError } from '../bench-error.js';
import { LatencyHistogram } from '../load/latency-histogram.js';

const PAYLOAD = 'x'.repeat(64);
/** Before each XADD: the other connection's XREAD waits by then. */
const REST_MS = 2;
const ANSWER_MS = 5000;
/** Keys to try until one is in a slot of the server. */
const KEYS_MAX = 1000;

export interface Hop {
  readonly p50Us: number;
  readonly p99Us: number;
}

/** @param port of one primary */
export async function measureHop(port: number, hops: number): Promise<Hop> {
  const writer = await RawConnection.open(port);
  const reader = await RawConnection.open(port);
  try {
    const key = await keyOf(writer);
    const latencies = new LatencyHistogram();
    for (let i = 0; i < hops; i++) {
      reader.send('XREAD', 'BLOCK', '0', 'STREAMS', key, '$');
      const arrived = reader.answer().then(() => performance.now());
      await pause(REST_MS);
      const sentMs = performance.now();
      writer.send('XADD', key, 'MAXLEN', '10', '*', 'd', PAYLOAD);
      const [arrivedMs] = await Promise.all([arrived, writer.answer()]);
      latencies.add(Math.round((arrivedMs - sentMs) * 1000));
    }
    return { p50Us: latencies.percentile(0.5), p99Us: latencies.percentile(0.99) };
  } finally {
    writer.close();
    reader.close();
  }
}

/** One that this server has. */
async function keyOf(connection: RawConnection): Promise<string> {
  for (let i = 0; i < KEYS_MAX; i++) {
    const key = `bench:hop:${i}`;
    connection.send('EXISTS', key);
    if ((await connection.answer()).startsWith(':')) return key;
  }
  throw new BenchError('this Redis server serves no slot: is the cluster whole?');
}

/** Commands and answers in turn, each answer in one piece. */
class RawConnection {
  private readonly socket: Socket;
  private failure: string | null = null;

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('connect', () => resolve(new RawConnection(socket)));
      socket.once('error', ({ message }) => reject(new BenchError(`Redis: ${message}`)));
    });
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('error', ({ message }) => {
      this.failure = message;
    });
  }

  send(...parts: readonly string[]): void {
    const words = parts.map((part) => `$${part.length}\r\n${part}\r\n`);
    this.socket.write(`*${parts.length}\r\n${words.join('')}`);
  }

  answer(): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new BenchError(`Redis does not answer: ${this.failure ?? 'it is silent'}`));
      }, ANSWER_MS);
      this.socket.once('data', (text: string) => {
        clearTimeout(timer);
        resolve(text);
      });
    });
  }

  close(): void {
    this.socket.destroy();
  }
}
