/**
 * The brokers of a cluster that things are done to, each with its own way to Redis. A fault that
 * takes its time goes on in the background; at least one broker is always left alone.
 */
import type { TempFolder } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { BrokerProcess } from '../broker-process.js';
import type { RedisUnderTest } from '../stores.js';
import { isServing } from './probe.js';
import { RedisPath } from './redis-path.js';

/** `cluster_lease`: short, but longer than the pauses of a busy machine. */
export const leaseSeconds = 4;
/** A broker, its repair included, is busy so long at most. */
const repairMsMax = 120_000;

export class Machine {
  readonly index: number;
  readonly broker: BrokerProcess;
  readonly path: RedisPath;
  /** Something is being done to it. */
  isBroken = false;
  /** How often others may have taken it for dead, although its process lived. */
  absences = 0;

  constructor(index: number, broker: BrokerProcess, path: RedisPath) {
    this.index = index;
    this.broker = broker;
    this.path = path;
  }

  /**
   * What it holds in memory, or others hold of it, is gone with its life. One that wakes up serves
   * for a moment before it hears that it is dead.
   */
  get life(): string {
    return `${this.process}.${this.absences}.${this.broker.rejoins}`;
  }

  get process(): string {
    return `${this.index}.${this.broker.starts}`;
  }
}

export class Machines {
  readonly all: readonly Machine[];
  /** Faults whose repair has failed. */
  readonly failures: string[] = [];

  private constructor(all: readonly Machine[]) {
    this.all = all;
  }

  static async create(
    folder: TempFolder,
    store: RedisUnderTest,
    brokers: number,
    strategy: string,
  ): Promise<Machines> {
    const all: Machine[] = [];
    for (let index = 0; index < brokers; index++) {
      const path = await RedisPath.start(store.cluster, index);
      const lines = [
        'store redis',
        `redis_nodes ${path.addresses}`,
        'ack_level replica',
        `node_name node-${index}`,
        `cluster_lease ${leaseSeconds}`,
        `shared_subscription_strategy ${strategy}`,
      ];
      const broker = await BrokerProcess.create(folder, lines, `node-${index}`);
      all.push(new Machine(index, broker, path));
    }
    return new Machines(all);
  }

  get broken(): number {
    return this.all.filter(({ isBroken }) => isBroken).length;
  }

  async start(): Promise<void> {
    await Promise.all(this.all.map(({ broker }) => broker.start()));
  }

  /** One that nothing is being done to, when so many at most would then be broken. */
  async take(pick: number, brokenMax: number): Promise<Machine> {
    await until('a broker that is left alone', () => this.broken < brokenMax, {
      deadlineMs: repairMsMax,
    });
    const whole = this.all.filter(({ isBroken }) => !isBroken);
    const machine = whole[pick % whole.length];
    machine.isBroken = true;
    return machine;
  }

  /** Does something to a machine that was taken; meanwhile the run goes on. */
  run(machine: Machine, fault: () => Promise<void>): void {
    const done = (): void => {
      machine.isBroken = false;
    };
    fault().then(done, (error: unknown) => {
      done();
      this.failures.push(`node-${machine.index}: ${String(error)}`);
    });
  }

  async untilWhole(): Promise<void> {
    await until('all brokers to be whole', () => this.broken === 0, { deadlineMs: repairMsMax });
  }

  /** Until all of them let clients in; nothing must be done to them meanwhile. */
  async untilServing(): Promise<void> {
    const areServing = async (): Promise<boolean> => {
      const answers = await Promise.all(this.all.map(({ broker }) => isServing(broker.port)));
      return answers.every(Boolean);
    };
    await until('all brokers to let clients in', areServing, { deadlineMs: repairMsMax });
  }

  /** Kills everything. */
  async stop(): Promise<void> {
    for (const { broker, path } of this.all) {
      broker.signal('SIGCONT');
      await broker.kill();
      await path.stop();
    }
  }
}
