/**
 * Several brokers, each a process, on one Redis Cluster of three primaries and three replicas:
 * what the tests of the cluster, and its faults, do things to. Brokers are named by their index,
 * from 0. Each one keeps its port and its `node_name` through all its processes.
 */

import { freePort } from './port.js';
import { Child } from './process.js';
import { RedisCluster } from './redis-cluster.js';
import { TempFolder } from './temp.js';
import { type UntilOptions, until } from './until.js';

/** On a machine that is busy with other things. */
const startMsMax = 30_000;
const stopMsMax = 20_000;
/** Of each process's log, in the message of a failure. */
const shownLines = 15;

export interface BrokerClusterOptions {
  /** The executable: dist/broker.js, or another build. */
  readonly brokerPath: string;
  /** Default 3. */
  readonly brokers?: number;
  /** Seconds until a silent broker is taken for dead; default: the broker's own. */
  readonly leaseSeconds?: number;
  /** Lines of every broker's configuration, before its listener. */
  readonly lines?: readonly string[];
  /** Another cluster's Redis, which that one ends; default: one of its own. */
  readonly redis?: RedisCluster;
  readonly prefix?: string;
  /** Errors in the logs that are what the test is about. */
  readonly expectedErrors?: RegExp;
}

/** One broker of the cluster, through all its processes. */
export interface ClusterBroker {
  readonly nodeName: string;
  readonly port: number;
  /** The last process; null before the first. */
  child: Child | null;
  isPaused: boolean;
  /** Its end is no fault: the test asked for it. */
  isEndWanted: boolean;
}

const settings = [
  'allow_anonymous true',
  'store redis',
  'connection_messages false',
  // Nothing is dropped for want of room unless the test says so.
  'max_queued_messages 0',
  'max_queued_bytes 0',
  'max_inflight_messages 100',
];

export class BrokerCluster {
  readonly redis: RedisCluster;
  readonly prefix: string;
  readonly brokers: ClusterBroker[] = [];
  /** Errors in the logs, and ends that nobody asked for. */
  readonly troubles: string[] = [];
  private readonly options: BrokerClusterOptions;
  private readonly folder: TempFolder;

  private constructor(options: BrokerClusterOptions, redis: RedisCluster, folder: TempFolder) {
    this.options = options;
    this.redis = redis;
    this.folder = folder;
    this.prefix = options.prefix ?? 'tw:';
  }

  /** Starts Redis, then all brokers at once, and waits until clients may connect to each. */
  static async start(options: BrokerClusterOptions): Promise<BrokerCluster> {
    const folder = new TempFolder();
    const redis = options.redis ?? (await RedisCluster.start({ folder: folder.path }));
    const cluster = new BrokerCluster(options, redis, folder);
    try {
      const indexes = Array.from({ length: options.brokers ?? 3 }, () => cluster.define());
      for (const index of await Promise.all(indexes)) await cluster.spawn(index);
      await Promise.all(cluster.brokers.map((_, index) => cluster.untilReady(index)));
    } catch (error) {
      await cluster.end();
      throw cluster.explain(error);
    }
    return cluster;
  }

  /** Brokers with a process that is not paused. */
  get live(): number[] {
    return [...this.brokers.keys()].filter((index) => this.isLive(index));
  }

  port(index: number): number {
    return this.get(index).port;
  }

  /** The last process of a broker: its output is its log. */
  child(index: number): Child {
    const { child, nodeName } = this.get(index);
    if (child === null) throw new Error(`${nodeName} was never started`);
    return child;
  }

  isLive(index: number): boolean {
    const { child, isPaused } = this.get(index);
    return child?.isRunning === true && !isPaused;
  }

  /** One broker more, which the others were told nothing about. @returns its index */
  async add(): Promise<number> {
    const index = await this.define();
    await this.start(index);
    return index;
  }

  /** Starts the process of a broker that has none, and waits until clients may connect. */
  async start(index: number): Promise<void> {
    await this.spawn(index);
    await this.untilReady(index);
  }

  /** Starts a process without waiting for it. */
  async spawn(index: number): Promise<void> {
    const broker = this.get(index);
    broker.isEndWanted = false;
    broker.isPaused = false;
    const file = this.folder.file(`${broker.nodeName}.conf`);
    const child = await Child.start(process.execPath, [this.options.brokerPath, '-c', file]);
    broker.child = child;
    void child.exited.then(({ code, signal }) => this.onExit(broker, child, `${code ?? signal}`));
  }

  async untilReady(index: number): Promise<void> {
    await this.child(index).untilLine('tidewire is ready', { deadlineMs: startMsMax });
  }

  /** SIGKILL, and waits for the end of the process. */
  async kill(index: number): Promise<void> {
    this.get(index).isEndWanted = true;
    const child = this.child(index);
    child.signal('SIGKILL');
    await child.exited;
  }

  /** SIGSTOP: the process stands still until `cont`. */
  stop(index: number): void {
    this.get(index).isPaused = true;
    this.child(index).signal('SIGSTOP');
  }

  /** SIGCONT. */
  cont(index: number): void {
    this.get(index).isPaused = false;
    this.child(index).signal('SIGCONT');
  }

  /** SIGTERM: it must end by itself, with exit code 0. */
  async leave(index: number): Promise<void> {
    const broker = this.get(index);
    if (broker.child === null || !broker.child.isRunning) return;
    broker.isEndWanted = true;
    const { code } = await broker.child.stop('SIGTERM', { deadlineMs: stopMsMax });
    if (code !== 0) this.troubles.push(`${broker.nodeName} ended with ${code} after SIGTERM`);
  }

  /** Every broker runs again, and all are members. */
  async heal(): Promise<void> {
    for (const [index, { child, isPaused }] of this.brokers.entries()) {
      if (isPaused) this.cont(index);
      if (child === null || !child.isRunning) await this.start(index);
    }
    await this.untilMembers([...this.brokers.keys()], { deadlineMs: startMsMax });
  }

  /** Nothing is left to do about brokers that died. */
  async untilCleaned(options: UntilOptions = {}): Promise<void> {
    const key = `${this.prefix}{nodes}:dead`;
    const isClean = async () => (await this.command('EXISTS', key)) === 0;
    await until('the end of the clean-up after dead brokers', isClean, options);
  }

  /** SIGTERM, then a new process with the same name and port, ready. */
  async restart(index: number): Promise<void> {
    await this.leave(index);
    await this.start(index);
  }

  /** A Redis command to the node that has the key. */
  async command(name: string, key: string, ...args: (string | number)[]): Promise<unknown> {
    const [any] = this.redis.nodes;
    if (any === undefined) throw new Error('no node of Redis');
    const slot = Number(await any.server.command('CLUSTER', 'KEYSLOT', key));
    const { server } = await this.redis.primaryOf(slot, any);
    return server.command(name, key, ...args);
  }

  /** The brokers that Redis has on its list, by the `node_name` in each one's id. */
  async members(): Promise<string[]> {
    const ids = (await this.command('ZRANGE', `${this.prefix}{nodes}`, 0, -1)) as string[];
    return ids.map((id) => id.slice(0, id.lastIndexOf('~'))).sort();
  }

  /** Waits until the list of members is that of the indexes. */
  async untilMembers(indexes: readonly number[], options: UntilOptions = {}): Promise<void> {
    const wanted = indexes.map((index) => this.get(index).nodeName).sort();
    const isSo = async () => (await this.members()).join() === wanted.join();
    try {
      await until(`the members ${wanted.join(', ')}`, isSo, options);
    } catch (cause) {
      throw new Error(`members are ${(await this.members()).join(', ')}`, { cause });
    }
  }

  /** The error with the last lines of each log. */
  explain(error: unknown): Error {
    const logs = this.brokers.map(({ child, nodeName }) => {
      const lines = (child?.lines ?? []).slice(-shownLines);
      const state = child === null ? 'never started' : child.isRunning ? 'running' : 'ended';
      return [`--- ${nodeName} (${state})`, ...lines].join('\n');
    });
    const explained = error instanceof Error ? error : new Error(String(error));
    explained.message = [explained.message, ...this.troubles, ...logs].join('\n');
    return explained;
  }

  /** Ends every process, each as it should end, then Redis. @throws Error with the troubles */
  async close(): Promise<void> {
    for (const [index, { isPaused }] of this.brokers.entries()) if (isPaused) this.cont(index);
    try {
      await Promise.all(this.brokers.map((_, index) => this.leave(index)));
    } finally {
      await this.end();
    }
    if (this.troubles.length > 0) throw new Error(this.troubles.join('\n'));
  }

  /** Kills every process. */
  private async end(): Promise<void> {
    for (const broker of this.brokers) {
      broker.isEndWanted = true;
      broker.child?.signal('SIGKILL');
      await broker.child?.exited;
    }
    if (this.options.redis === undefined) await this.redis.stop();
    this.folder.remove();
  }

  private get(index: number): ClusterBroker {
    const broker = this.brokers[index];
    if (broker === undefined) throw new Error(`there is no broker ${index}`);
    return broker;
  }

  private async define(): Promise<number> {
    // One that no connection is given while the broker is away.
    const port = await freePort();
    const index = this.brokers.length;
    const nodeName = `node-${index}`;
    const { leaseSeconds, lines = [] } = this.options;
    const addresses = this.redis.addresses.map(([host, at]) => `${host}:${at}`);
    const text = [
      ...settings,
      `redis_nodes ${addresses.join(',')}`,
      `redis_prefix ${this.prefix}`,
      `node_name ${nodeName}`,
      ...(leaseSeconds === undefined ? [] : [`cluster_lease ${leaseSeconds}`]),
      ...lines,
      `listener ${port} 127.0.0.1`,
    ].join('\n');
    this.folder.write(`${nodeName}.conf`, `${text}\n`);
    this.brokers.push({ nodeName, port, child: null, isPaused: false, isEndWanted: false });
    return index;
  }

  private onExit(broker: ClusterBroker, child: Child, how: string): void {
    const { expectedErrors } = this.options;
    for (const line of child.lines) {
      if (!line.includes('"level":"error"') || expectedErrors?.test(line)) continue;
      this.troubles.push(`${broker.nodeName}: ${line}`);
    }
    if (broker.isEndWanted) return;
    const last = child.lines.slice(-5).join(' | ');
    this.troubles.push(`${broker.nodeName} ended by itself with ${how}: ${last}`);
  }
}
