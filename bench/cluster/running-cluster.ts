/** Several Tidewires that are one broker. */
import { BrokerProcess } from '../e2e/broker-process.js';
import { type Broker, findTidewire } from '../e2e/brokers.js';
import { cpuSecondsOf } from '../load/process-usage.js';
import { memoryProbe } from '../paths.js';
import { BenchRedis } from './bench-redis.js';

/** A broker that loads much. */
const START_MS = 300_000;
/** Collecting the garbage of a large heap. */
const COLLECT_MS = 60_000;

export interface ClusterOptions {
  readonly brokers: number;
  /** Of every broker's configuration, beside those for the store. */
  readonly lines?: readonly string[];
  /** That other clusters use too, and whoever gives it ends; left out: one of its own. */
  readonly redis?: BenchRedis;
  /** `redis_prefix`, which tells clusters apart that share a Redis. */
  readonly prefix?: string;
}

/** CPU seconds so far. */
export interface ClusterCpu {
  /** Per broker, in the order in which they were started. */
  readonly brokers: readonly number[];
  readonly primaries: number;
  readonly replicas: number;
}

/** Bytes in use. */
export interface ClusterBytes {
  /** Per broker, without garbage. */
  readonly brokers: readonly number[];
  /** Data in all primaries; their replicas have as much again. */
  readonly redis: number;
}

export class RunningCluster {
  readonly brokers: BrokerProcess[] = [];
  readonly redis: BenchRedis;
  private readonly ownsRedis: boolean;
  private readonly lines: readonly string[];
  private readonly executable: Broker;

  static async start(options: ClusterOptions): Promise<RunningCluster> {
    const executable = probed(findTidewire());
    const redis = options.redis ?? (await BenchRedis.start());
    const cluster = new RunningCluster(options, redis, executable);
    try {
      await Promise.all(Array.from({ length: options.brokers }, () => cluster.add()));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  private constructor(
    { lines = [], prefix = 'tw:', ...options }: ClusterOptions,
    redis: BenchRedis,
    executable: Broker,
  ) {
    this.redis = redis;
    this.ownsRedis = options.redis === undefined;
    this.executable = executable;
    const store = ['store redis', `redis_nodes ${redis.addresses}`, `redis_prefix ${prefix}`];
    this.lines = [...lines, ...store];
  }

  /** One broker more, which serves when the promise resolves. */
  async add(): Promise<BrokerProcess> {
    const options = { lines: this.lines, startMs: START_MS, hasChannel: true };
    const broker = await BrokerProcess.start(this.executable, options);
    this.brokers.push(broker);
    return broker;
  }

  /** SIGKILL for the broker that was added first. */
  async killFirst(): Promise<void> {
    await this.brokers.shift()?.kill();
  }

  /** The broker that was added last leaves, in order. */
  async removeLast(patienceMs: number): Promise<void> {
    await this.brokers.pop()?.stop(patienceMs);
  }

  get ports(): number[] {
    return this.brokers.map(({ port }) => port);
  }

  get pids(): number[] {
    return this.brokers.map(({ pid }) => pid);
  }

  cpu(): ClusterCpu {
    return { brokers: this.pids.map((pid) => cpuSecondsOf([pid])), ...this.redis.cpu() };
  }

  /** What all hold. */
  async bytes(): Promise<ClusterBytes> {
    const brokers = await Promise.all(this.brokers.map(bytesOf));
    return { brokers, redis: await this.redis.bytes() };
  }

  /** Nothing of it is needed any more, so nobody has to leave in order. */
  async stop(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.kill()));
    if (this.ownsRedis) await this.redis.stop();
  }
}

/** In use in a broker after its garbage went. */
export async function bytesOf(broker: BrokerProcess): Promise<number> {
  return Number(await broker.ask('bytes', COLLECT_MS));
}

/** What was used between two looks. */
export function cpuBetween(before: ClusterCpu, after: ClusterCpu): ClusterCpu {
  return {
    brokers: after.brokers.map((seconds, index) => seconds - before.brokers[index]),
    primaries: after.primaries - before.primaries,
    replicas: after.replicas - before.replicas,
  };
}

function probed(tidewire: Broker): Broker {
  const args = (config: string, port: number) => {
    return ['--import', memoryProbe, ...tidewire.args(config, port)];
  };
  return { ...tidewire, args };
}
