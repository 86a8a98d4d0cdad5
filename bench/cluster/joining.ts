/**
 * What a cluster holds in full, and how long a further broker takes until it has all of it and
 * serves: an empty cluster, many durable subscriptions, many retained messages.
 */
import { addRetained, retainedTopic } from '../durable/fill.js';
import { ownMiBOf } from '../load/process-usage.js';
import { median } from '../statistics.js';
import { bytesOf, cpuBetween, RunningCluster } from './running-cluster.js';
import { StepClient } from './step-client.js';

/** That the new one joins. */
const BROKERS = 2;
/** Connections under way at once; each lives for a few packets. */
const SESSIONS_AT_ONCE = 100;
/** More connections than one address has ports: they come from several. */
const SOURCE_ADDRESSES = 10;
const LEAVE_MS = 60_000;

export interface JoiningSize {
  readonly retained: number;
  readonly sessions: number;
  readonly filtersEach: number;
  /** Joins of which the median counts. */
  readonly joins: number;
}

/** Many things of one kind, made through the brokers and then loaded by a further one. */
export interface JoiningRow {
  readonly what: string;
  readonly count: number;
  /** Null: there was nothing to make. */
  readonly made: Made | null;
  /** From the start of the new broker's process until it serves; the median of the joins. */
  readonly joinS: number;
  /** CPU seconds of the new broker until then. */
  readonly joinCpuS: number;
  /** The new broker's own memory then. */
  readonly joinedMiB: number;
}

/** Per thing, but for the first. */
export interface Made {
  readonly seconds: number;
  /** CPU time in microseconds: of all brokers, of all Redis processes. */
  readonly brokersUs: number;
  readonly redisUs: number;
  /** In each broker. */
  readonly brokerBytes: number;
  /** In the primaries; as much again in their replicas. */
  readonly redisBytes: number;
}

export async function measureJoining(
  size: JoiningSize,
  isWanted: (name: string) => boolean,
  progress: (line: string) => void,
): Promise<JoiningRow[]> {
  const rows: JoiningRow[] = [];
  const { filtersEach, joins, retained, sessions } = size;
  const measure = async (row: Promise<JoiningRow>) => {
    const done = await row;
    progress(`join, ${done.what}: ${done.joinS.toFixed(2)} s, ${done.joinedMiB.toFixed(0)} MiB`);
    rows.push(done);
  };
  if (isWanted('join, empty')) {
    await measure(joinWith({ what: 'empty', count: 0, joins, fill: null, check: null }));
  }
  if (isWanted('join, durable subscriptions')) {
    const what = `durable subscriptions, ${filtersEach} in each session`;
    const count = sessions * filtersEach;
    const fill = (cluster: RunningCluster) => addSessions(cluster.ports, sessions, filtersEach);
    const check = ({ ports }: RunningCluster, join: number) => {
      return checkSession(ports, filterOf(sessions - 1, filtersEach - 1), sessions, join + 1);
    };
    await measure(joinWith({ what, count, joins, fill, check }));
  }
  if (isWanted('join, retained messages')) {
    const fill = (cluster: RunningCluster) => addRetained(cluster.ports[0], retained);
    const check = (cluster: RunningCluster) => checkRetained(cluster.ports.at(-1)!, retained);
    const what = 'retained messages of 64 bytes';
    await measure(joinWith({ what, count: retained, joins, fill, check }));
  }
  return rows;
}

interface Joining {
  readonly what: string;
  readonly count: number;
  readonly joins: number;
  readonly fill: ((cluster: RunningCluster) => Promise<void>) | null;
  /** The new broker, the last one, has what it needs. Rejects otherwise. */
  readonly check: ((cluster: RunningCluster, join: number) => Promise<void>) | null;
}

async function joinWith({ what, count, joins, fill, check }: Joining): Promise<JoiningRow> {
  const cluster = await RunningCluster.start({ brokers: BROKERS });
  try {
    const made = fill === null ? null : await make(cluster, count, () => fill(cluster));
    const seconds: number[] = [];
    const cpu: number[] = [];
    const memory: number[] = [];
    for (let join = 0; join < joins; join++) {
      const broker = await cluster.add();
      seconds.push(broker.startedInMs / 1000);
      cpu.push(cluster.cpu().brokers.at(-1)!);
      await check?.(cluster, join);
      // What the load left behind is gone then.
      await bytesOf(broker);
      memory.push(ownMiBOf([broker.pid]));
      await cluster.removeLast(LEAVE_MS);
    }
    const [joinS, joinCpuS, joinedMiB] = [seconds, cpu, memory].map(median);
    return { what, count, made, joinS, joinCpuS, joinedMiB };
  } finally {
    await cluster.stop();
  }
}

async function make(
  cluster: RunningCluster,
  count: number,
  fill: () => Promise<void>,
): Promise<Made> {
  const before = await cluster.bytes();
  const startCpu = cluster.cpu();
  const startedMs = performance.now();
  await fill();
  const seconds = (performance.now() - startedMs) / 1000;
  const { brokers, primaries, replicas } = cpuBetween(startCpu, cluster.cpu());
  const after = await cluster.bytes();
  const brokersS = brokers.reduce((sum, each) => sum + each, 0);
  const grown = after.brokers.map((bytes, index) => bytes - before.brokers[index]);
  return {
    seconds,
    brokersUs: (brokersS * 1e6) / count,
    redisUs: ((primaries + replicas) * 1e6) / count,
    brokerBytes: median(grown) / count,
    redisBytes: (after.redis - before.redis) / count,
  };
}

/** Durable sessions without a connection, made at all brokers in turn. */
async function addSessions(
  ports: readonly number[],
  count: number,
  filtersEach: number,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) {
      const source = `127.0.0.${2 + (i % SOURCE_ADDRESSES)}`;
      const port = ports[i % ports.length];
      const client = await StepClient.connect(port, `device-${i}`, false, source);
      await client.subscribe(Array.from({ length: filtersEach }, (_, k) => filterOf(i, k)));
      client.end();
    }
  };
  await Promise.all(Array.from({ length: SESSIONS_AT_ONCE }, worker));
}

function filterOf(session: number, index: number): string {
  return `site/${session % 1000}/device/${session}/${index}`;
}

/**
 * What is published at the new broker reaches the last session, at another one. Nothing is
 * acknowledged, so the messages of earlier checks come again.
 */
async function checkSession(
  ports: readonly number[],
  topic: string,
  sessions: number,
  messages: number,
): Promise<void> {
  const subscriber = await StepClient.connect(ports[0], `device-${sessions - 1}`, false);
  const publisher = await StepClient.connect(ports.at(-1)!, 'check', true);
  await publisher.publish(topic);
  await subscriber.untilMessages(messages);
  publisher.end();
  subscriber.end();
}

/** The new broker has the last retained message. */
async function checkRetained(port: number, count: number): Promise<void> {
  const client = await StepClient.connect(port, 'check', true);
  await client.subscribe([retainedTopic(count - 1)]);
  await client.untilMessages(1);
  client.end();
}
