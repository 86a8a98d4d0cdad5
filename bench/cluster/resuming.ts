/**
 * How soon clients go on after a `kill -9` of their broker: as soon as their connections break they
 * connect to the other brokers, all at once, while these carry traffic of others. Their sessions
 * must be there.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { BenchError } from '../bench-error.js';
import { connectPacket, subscribePacket } from '../durable/fill.js';
import { runLoad } from '../e2e/load-process.js';
import type { LoadResult } from '../load/closed-loop.js';
import { LatencyHistogram } from '../load/latency-histogram.js';
import { packet } from '../load/packets.js';
import { RunningCluster } from './running-cluster.js';

const BROKERS = 3;
const LEASE_S = 4;
/** By then the others have worked off what a dead broker left. */
const BURIED_MS = (LEASE_S + 3) * 1000;
/** Publishers, and subscribers, of the other traffic. */
const CLIENTS = 10;
const LOAD_S = 4;
const AT_ONCE = 50;
const PATIENCE_MS = 30_000;

export interface ResumingSettings {
  /** How many are connected to the broker that is killed; a row of the table each. */
  readonly clients: readonly number[];
  readonly kills: number;
  /** Connections to each other broker before it counts: what has run for a while is compiled. */
  readonly warmUp: number;
  /** Messages per second of others, durable QoS 1, from one of the other brokers to the next. */
  readonly ratePerS: number;
}

export interface Resuming {
  readonly ratePerS: number;
  readonly rows: readonly ResumingRow[];
}

/** From the beginning of the attempt to connect until CONNACK. */
export interface ResumingRow {
  readonly clients: number;
  readonly kills: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly longestUs: number;
}

export async function measureResuming(
  settings: ResumingSettings,
  progress: (line: string) => void,
): Promise<Resuming> {
  const { kills, ratePerS } = settings;
  let isFirst = true;
  const cluster = await RunningCluster.start({
    brokers: BROKERS,
    lines: [`cluster_lease ${LEASE_S}`],
  });
  try {
    const rows: ResumingRow[] = [];
    for (const clients of settings.clients) {
      const times = new LatencyHistogram();
      let longestUs = 0;
      for (let kill = 0; kill < kills; kill++) {
        if (!isFirst) await replaceDead(cluster);
        isFirst = false;
        for (const us of await killOnce(cluster, `${clients}-${kill}`, clients, settings)) {
          times.add(us);
          longestUs = Math.max(longestUs, us);
        }
      }
      const [p50Us, p99Us] = [times.percentile(0.5), times.percentile(0.99)];
      rows.push({ clients, kills, p50Us, p99Us: Math.min(p99Us, longestUs), longestUs });
      progress(`resumed after kill -9, ${clients} clients: ${ms(p50Us)} p50, ${ms(p99Us)} p99`);
    }
    return { ratePerS, rows };
  } finally {
    await cluster.stop();
  }
}

async function replaceDead(cluster: RunningCluster): Promise<void> {
  await cluster.add();
  await pause(BURIED_MS);
}

/** The first broker is killed. @returns microseconds of each of its clients */
async function killOnce(
  cluster: RunningCluster,
  name: string,
  count: number,
  { ratePerS, warmUp }: ResumingSettings,
): Promise<number[]> {
  const [port, ...others] = cluster.ports;
  for (const each of others) await connectMany(each, name, warmUp);
  const clients = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const client = new RoamingClient(`resuming-${name}-${i}`);
      await client.connect(port, false);
      await client.subscribe();
      return client;
    }),
  );
  const load = loadOn(cluster, name, ratePerS);
  await Promise.race([load.isMeasuring, load.over]);
  const going = clients.map((client, i) => client.follow(others[i % others.length]));
  await cluster.killFirst();
  const found = await Promise.all(going);
  for (const client of clients) client.end();
  const { lost } = await load.over;
  if (lost > 0) throw new BenchError(`${lost} deliveries between the other brokers did not come`);
  return found;
}

function loadOn(cluster: RunningCluster, name: string, ratePerS: number) {
  const [, from, to] = cluster.ports;
  let onMeasuring = (): void => undefined;
  const isMeasuring = new Promise<void>((resolve) => {
    onMeasuring = resolve;
  });
  const each = String(CLIENTS);
  const over = runLoad<LoadResult>({
    port: from,
    subscriberPorts: [to],
    brokerPid: cluster.pids.slice(1),
    storePids: cluster.redis.pids,
    options: [
      ...['-P', each, '-S', each, '-T', each, '-q', '1', '-c'],
      ...['-r', String(ratePerS / CLIENTS), '-x', `resuming-${name}`],
    ],
    seconds: LOAD_S,
    warmupSeconds: 1,
    onPhase: (phase) => phase === 'measuring' && onMeasuring(),
  });
  return { isMeasuring, over };
}

async function connectMany(port: number, name: string, count: number): Promise<void> {
  let left = count;
  const worker = async (index: number): Promise<void> => {
    const client = new RoamingClient(`warm-up-${name}-${port}-${index}`);
    for (let isPresent = false; left-- > 0; isPresent = true) {
      await client.connect(port, isPresent);
      await client.subscribe();
      client.end();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => worker(index)));
}

/** With a durable session and one subscription. */
class RoamingClient {
  private readonly clientId: string;
  private socket: Socket | null = null;

  constructor(clientId: string) {
    this.clientId = clientId;
  }

  /** @returns microseconds until CONNACK @param isPresent what it must say of the session */
  async connect(port: number, isPresent: boolean): Promise<number> {
    const startedMs = performance.now();
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket = socket;
    socket.write(connectPacket(this.clientId, false));
    const connack = await this.answer(socket);
    const us = Math.round((performance.now() - startedMs) * 1000);
    const expected = Buffer.of(0x20, 2, isPresent ? 1 : 0, 0);
    if (connack.equals(expected)) return us;
    throw new BenchError(`${this.clientId} was answered ${connack.toString('hex')}`);
  }

  async subscribe(): Promise<void> {
    const socket = this.socket!;
    socket.write(subscribePacket([`resuming/${this.clientId}`]));
    const suback = await this.answer(socket);
    if (suback[0] !== 0x90) throw new BenchError(`${this.clientId} got no SUBACK`);
  }

  /** When its connection breaks it connects there. @returns as `connect` */
  follow(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.socket!.once('close', () => this.connect(port, true).then(resolve, reject));
    });
  }

  /** DISCONNECT. */
  end(): void {
    this.socket?.end(packet(0xe0, Buffer.alloc(0)));
  }

  private answer(socket: Socket): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new BenchError(`${this.clientId}: ${why}`));
      const timer = setTimeout(() => fail('no answer'), PATIENCE_MS);
      const onClose = () => fail('closed by the broker');
      socket.once('close', onClose);
      // What it means is in the close that follows.
      socket.on('error', () => undefined);
      socket.once('data', (bytes: Buffer) => {
        clearTimeout(timer);
        socket.off('close', onClose);
        resolve(bytes);
      });
    });
  }
}

function ms(us: number): string {
  return `${(us / 1000).toFixed(1)} ms`;
}
