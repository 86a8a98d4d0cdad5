/**
 * What a transient subscription to a new filter costs with one, two and three brokers: every
 * broker hears of it before SUBACK. All clients are connected to the first broker.
 */
import { median } from '../statistics.js';
import {
  type ClusterBytes,
  type ClusterCpu,
  cpuBetween,
  RunningCluster,
} from './running-cluster.js';
import { StepClient } from './step-client.js';

const CLIENTS = 100;
/** SUBSCRIBE packets of each client that have no SUBACK yet. */
const WINDOW = 16;

export interface SubscribingSettings {
  readonly subscriptions: number;
  /** One after the other, each timed. */
  readonly timed: number;
}

/** Per subscription. */
export interface SubscribingRow {
  readonly brokers: number;
  readonly perSecond: number;
  /** CPU time in microseconds: of the client's broker, of each other one, of Redis. */
  readonly ownUs: number;
  /** Null: there is no other. */
  readonly otherUs: number | null;
  readonly primariesUs: number;
  readonly replicasUs: number;
  readonly ownBytes: number;
  readonly otherBytes: number | null;
  /** In the primaries; as much again in their replicas. */
  readonly redisBytes: number;
  /** From SUBSCRIBE to SUBACK when nothing else is under way. */
  readonly p50Ms: number;
}

export async function measureSubscribing(
  sizes: readonly number[],
  settings: SubscribingSettings,
  progress: (line: string) => void,
): Promise<SubscribingRow[]> {
  const rows: SubscribingRow[] = [];
  for (const brokers of sizes) {
    const row = await runOnce(brokers, settings);
    const us = [row.ownUs, row.otherUs ?? 0, row.primariesUs + row.replicasUs];
    progress(
      `subscription, brokers ${brokers}: ${us.map((each) => each.toFixed(1)).join(', ')} µs ` +
        `(own broker, each other, Redis), SUBACK after ${row.p50Ms.toFixed(2)} ms`,
    );
    rows.push(row);
  }
  return rows;
}

async function runOnce(
  brokers: number,
  { subscriptions, timed }: SubscribingSettings,
): Promise<SubscribingRow> {
  const cluster = await RunningCluster.start({ brokers });
  try {
    const [port] = cluster.ports;
    const clients = await connectAll(port);
    const each = Math.floor(subscriptions / CLIENTS);
    // The first ones warm the brokers up.
    await subscribeAll(clients, 'warm', each);
    const before = await cluster.bytes();
    const startCpu = cluster.cpu();
    const startedMs = performance.now();
    await subscribeAll(clients, 'sub', each);
    const tookS = (performance.now() - startedMs) / 1000;
    const cpu = cpuBetween(startCpu, cluster.cpu());
    const after = await cluster.bytes();
    const p50Ms = await timeEach(clients[0], timed);
    for (const client of clients) client.end();
    return { brokers, ...perSubscription(cpu, before, after, each * CLIENTS, tookS), p50Ms };
  } finally {
    await cluster.stop();
  }
}

/** @param count of subscriptions, all at the first broker */
export function perSubscription(
  { brokers, primaries, replicas }: ClusterCpu,
  before: ClusterBytes,
  after: ClusterBytes,
  count: number,
  tookS: number,
): Omit<SubscribingRow, 'brokers' | 'p50Ms'> {
  const [ownUs, ...othersUs] = brokers.map((seconds) => (seconds * 1e6) / count);
  const [ownBytes, ...othersBytes] = after.brokers.map((bytes, index) => {
    return (bytes - before.brokers[index]) / count;
  });
  return {
    perSecond: count / tookS,
    ownUs,
    otherUs: meanOf(othersUs),
    primariesUs: (primaries * 1e6) / count,
    replicasUs: (replicas * 1e6) / count,
    ownBytes,
    otherBytes: meanOf(othersBytes),
    redisBytes: (after.redis - before.redis) / count,
  };
}

function meanOf(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

async function connectAll(port: number): Promise<StepClient[]> {
  const clients: StepClient[] = [];
  for (let i = 0; i < CLIENTS; i++) clients.push(await StepClient.connect(port, `sub-${i}`, true));
  return clients;
}

async function subscribeAll(
  clients: readonly StepClient[],
  what: string,
  each: number,
): Promise<void> {
  const all = clients.map((client, index) => {
    const filters = Array.from({ length: each }, (_, i) => `${what}/${index}/value/${i}`);
    return client.subscribeEach(filters, WINDOW);
  });
  await Promise.all(all);
}

/** The median of milliseconds until SUBACK. */
async function timeEach(client: StepClient, count: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const startedMs = performance.now();
    await client.subscribe([`timed/${i}`]);
    times.push(performance.now() - startedMs);
  }
  return median(times);
}
