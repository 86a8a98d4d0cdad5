/** The brokers of the durable table, each with a store of its own. */
import { BrokerProcess, type StartOptions } from '../e2e/broker-process.js';
import { type Broker, findAedes, findTidewire } from '../e2e/brokers.js';
import { aedesRedisScript, figuresProbe } from '../paths.js';
import { type RunningStore, redisVersion, type StoreKind, startStore } from './stores.js';

export interface Target {
  readonly id: 'redis' | 'cluster' | 'disk' | 'aedes';
  readonly name: string;
  readonly store: StoreKind;
  /** The broker as it is started on a store. */
  readonly brokerOn: (store: RunningStore) => Broker;
}

/** The figures of a Tidewire's store: see `figures-probe.ts`. */
export type Figures = Readonly<Record<string, number>>;

/** All that this machine has the programs for; Tidewire on disk at least. */
export function findTargets(): Target[] {
  const hasRedis = redisVersion() !== null;
  const aedes = findAedes();
  const tidewire = probed(findTidewire());
  const own = (id: 'redis' | 'cluster' | 'disk', name: string): Target => {
    return { id, name, store: id, brokerOn: () => tidewire };
  };
  const targets = [own('disk', 'Tidewire, disk')];
  if (!hasRedis) return targets;
  targets.unshift(own('redis', 'Tidewire, Redis'), own('cluster', 'Tidewire, Redis Cluster'));
  if (aedes === null) return targets;
  const brokerOn = ({ redisPort }: RunningStore): Broker => ({
    ...aedes,
    args: (_config, port) => [aedesRedisScript, String(port), String(redisPort)],
  });
  return [...targets, { id: 'aedes', name: 'Aedes, Redis', store: 'redis', brokerOn }];
}

function probed(tidewire: Broker): Broker {
  const args = (config: string, port: number) => {
    return ['--import', figuresProbe, ...tidewire.args(config, port)];
  };
  return { ...tidewire, args };
}

/** A broker on its store. */
export class RunningTarget {
  readonly store: RunningStore;
  private readonly target: Target;
  private readonly lines: readonly string[];
  private process: BrokerProcess;

  /** @param lines of Tidewire's configuration file, beside those for the store */
  static async start(target: Target, lines: readonly string[] = []): Promise<RunningTarget> {
    const store = await startStore(target.store);
    try {
      const all = [...lines, ...store.lines];
      const process = await BrokerProcess.start(target.brokerOn(store), optionsOf(target, all));
      return new RunningTarget(target, store, all, process);
    } catch (error) {
      await store.stop();
      throw error;
    }
  }

  private constructor(
    target: Target,
    store: RunningStore,
    lines: readonly string[],
    process: BrokerProcess,
  ) {
    this.target = target;
    this.store = store;
    this.lines = lines;
    this.process = process;
  }

  /** The present one. */
  get broker(): BrokerProcess {
    return this.process;
  }

  async figures(): Promise<Figures> {
    if (this.target.id === 'aedes') return {};
    return (await this.process.ask('figures')) as Figures;
  }

  /** Starts the broker anew after it was ended, on the same store. */
  async startAgain(startMs: number): Promise<void> {
    const options = { ...optionsOf(this.target, this.lines), startMs };
    this.process = await BrokerProcess.start(this.target.brokerOn(this.store), options);
  }

  async stop(): Promise<void> {
    await this.process.stop();
    await this.store.stop();
  }
}

function optionsOf(target: Target, lines: readonly string[]): StartOptions {
  return target.id === 'aedes' ? {} : { lines, hasChannel: true };
}
