/**
 * A bounded time of attacks from many connections at once, with a watch over deliveries, sockets
 * and memory. What goes wrong is in the report; nothing is thrown but faults of the fuzzer.
 */

import { messageOf } from '../../src/base/errors.js';
import type { TestClient } from '../integration/support/test-client.js';
import { until } from '../support/until.js';
import { type Attack, describeAttack, drawAttack } from './attack.js';
import { carryOut, type Outcome, type OwnBreach } from './attacker.js';
import { FuzzedBroker } from './fuzzed-broker.js';
import type { Memory } from './inspector.js';
import { fuzzClientIds } from './packets.js';
import { WatchPair } from './watch-pair.js';

export interface FuzzOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** Attacks at the same time. */
  readonly connections: number;
  /** These attacks of the seed, one after the other, instead of `durationMs` of all. */
  readonly replay?: readonly number[];
  /** Lines about the progress. */
  readonly onProgress?: (line: string) => void;
}

export interface FuzzReport {
  readonly seed: number;
  readonly attacks: number;
  readonly closedByBroker: number;
  readonly packets: number;
  readonly delivered: number;
  readonly slowestMs: number;
  /** After warming up, and at the end, both after garbage collection. */
  readonly start: Memory | null;
  readonly end: Memory | null;
  readonly residentMaxBytes: number;
  /** Beyond those that were open before the first attack; null: not reached, or no /proc. */
  readonly socketsLeft: number | null;
  /** Crash, hang or leak. */
  readonly problems: readonly string[];
  /** The attacks around the first problem. */
  readonly suspects: readonly string[];
  /** What the broker sent that no server may send, one example of each kind, with its attack. */
  readonly breaches: readonly string[];
}

const mib = 1024 * 1024;
/**
 * Live memory that may be new at the end: compiled code, and tables of a fixed size that have
 * filled up. A leak of 1 KB per connection passes it within a minute.
 */
export const liveGrowthMax = 24 * mib;
/** Resident memory at any time: what all limits of the fuzzed broker may cost, and the heap. */
export const residentMax = 700 * mib;
// Warm-up: each kind of attack has been there, code is compiled, pools are filled.
const warmUpAttacks = 300;
const socketsDeadlineMs = 15_000;
const sampleEveryMs = 500;
const progressEverySamples = 20;
const suspectsMax = 24;
const breachesMax = 30;
const problemsMax = 10;
const retriable: readonly string[] = ['EADDRNOTAVAIL', 'EADDRINUSE', 'ETIMEDOUT'];

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const broker = await FuzzedBroker.start();
  const run = new Run(broker, options);
  try {
    await run.start();
    await run.attackAll();
    await run.settle();
  } catch (error) {
    run.problem(messageOf(error));
  }
  await run.stop();
  return run.report();
}

class Run {
  private readonly broker: FuzzedBroker;
  private readonly options: FuzzOptions;
  private readonly problems: string[] = [];
  private readonly current = new Set<Attack>();
  private readonly recent: Attack[] = [];
  private readonly breaches = new Map<string, string>();
  private suspects: string[] = [];
  private watch: WatchPair | null = null;
  private nextIndex = 0;
  private endMs = 0;
  private attacks = 0;
  private closedByBroker = 0;
  private packets = 0;
  private socketsBefore = -1;
  private socketsLeft: number | null = null;
  private startMemory: Memory | null = null;
  private endMemory: Memory | null = null;
  private residentMaxBytes = 0;
  private samples = 0;

  constructor(broker: FuzzedBroker, options: FuzzOptions) {
    this.broker = broker;
    this.options = options;
  }

  /** Opens the watch, warms the broker up, and measures it. */
  async start(): Promise<void> {
    this.watch = await WatchPair.start(this.broker.running);
    this.socketsBefore = this.broker.sockets();
    if (this.options.replay !== undefined) return;
    await this.attackers(() => this.nextIndex < warmUpAttacks);
    await this.untilSocketsClosed();
    this.startMemory = await this.broker.memory();
  }

  async attackAll(): Promise<void> {
    this.socketsLeft = null;
    const { replay, durationMs } = this.options;
    const sampler = setInterval(() => this.sample(), sampleEveryMs);
    try {
      if (replay !== undefined) {
        for (const index of replay) await this.attack(index);
        return;
      }
      this.endMs = performance.now() + durationMs;
      await this.attackers(() => performance.now() < this.endMs);
    } finally {
      clearInterval(sampler);
    }
  }

  /** Everybody has gone: so must have their sockets and, but for what is kept, their memory. */
  async settle(): Promise<void> {
    if (this.problems.length > 0) return;
    await this.untilSocketsClosed();
    await this.clearState();
    if (this.startMemory === null) return;
    this.endMemory = await this.broker.memory();
    const growth = this.endMemory.live - this.startMemory.live;
    if (growth > liveGrowthMax) {
      this.problem(
        `leak: ${megabytes(growth)} more live memory, ${megabytes(liveGrowthMax)} allowed`,
      );
    }
  }

  async stop(): Promise<void> {
    try {
      await this.watch?.stop();
    } catch (error) {
      this.problem(`the watch: ${messageOf(error)}`);
    }
    try {
      if (this.broker.isAlive && this.problems.length === 0) await this.broker.stop();
      else await this.broker.kill();
    } catch (error) {
      this.problem(`the end: ${messageOf(error)}`);
      await this.broker.kill();
    }
  }

  problem(what: string): void {
    const isKnown = this.problems.some((problem) => problem.startsWith(what));
    if (isKnown || this.problems.length >= problemsMax) return;
    if (this.problems.length === 0) {
      const attacks = [...this.recent, ...this.current];
      this.suspects = attacks.slice(-suspectsMax).map((attack) => describeAttack(attack));
    }
    const output = this.broker.isAlive ? '' : `\n${this.broker.running.child.output}`;
    this.problems.push(`${what}${output}`);
  }

  private breach(attack: Attack, { kind, text }: OwnBreach): void {
    if (this.breaches.has(kind) || this.breaches.size >= breachesMax) return;
    this.breaches.set(kind, `${text}\n  to ${describeAttack(attack)}`);
  }

  report(): FuzzReport {
    const { seed } = this.options;
    return {
      seed,
      attacks: this.attacks,
      closedByBroker: this.closedByBroker,
      packets: this.packets,
      delivered: this.watch?.delivered ?? 0,
      slowestMs: this.watch?.slowestMs ?? 0,
      start: this.startMemory,
      end: this.endMemory,
      residentMaxBytes: this.residentMaxBytes,
      socketsLeft: this.socketsLeft,
      problems: this.problems,
      suspects: this.suspects,
      breaches: [...this.breaches.values()],
    };
  }

  private async attackers(mayGoOn: () => boolean): Promise<void> {
    const worker = async (): Promise<void> => {
      while (this.problems.length === 0 && mayGoOn()) await this.attack(this.nextIndex++);
    };
    await Promise.all(Array.from({ length: this.options.connections }, worker));
  }

  private async attack(index: number): Promise<void> {
    const attack = drawAttack(this.options.seed, index);
    this.current.add(attack);
    const outcome = await carryOut(attack, this.broker.ports);
    this.current.delete(attack);
    this.recent.push(attack);
    if (this.recent.length > suspectsMax) this.recent.shift();
    this.judge(attack, outcome);
  }

  private judge(attack: Attack, outcome: Outcome): void {
    this.attacks++;
    if (outcome.isClosedByBroker) this.closedByBroker++;
    this.packets += outcome.packets;
    const { connectError, breaches } = outcome;
    for (const breach of breaches) this.breach(attack, breach);
    const code = connectError?.code ?? '';
    if (!this.broker.isAlive) this.problem('the broker has ended');
    else if (connectError !== null && !retriable.includes(code)) {
      this.problem(`no connection: ${connectError.message}`);
    }
  }

  private sample(): void {
    const resident = this.broker.residentBytes();
    this.residentMaxBytes = Math.max(this.residentMaxBytes, resident);
    if (resident > residentMax) this.problem(`${megabytes(resident)} of resident memory`);
    if (!this.broker.isAlive) this.problem('the broker has ended');
    try {
      this.watch?.check();
    } catch (error) {
      this.problem(`the watch: ${messageOf(error)}`);
    }
    if (++this.samples % progressEverySamples === 0) {
      const { nextIndex, watch } = this;
      const counts = `${nextIndex} attacks, ${watch?.delivered} delivered`;
      this.options.onProgress?.(`${counts}, ${megabytes(resident)} resident`);
    }
  }

  private async untilSocketsClosed(): Promise<void> {
    if (this.socketsBefore < 0) return;
    const left = (): number => this.broker.sockets() - this.socketsBefore;
    try {
      await until('all sockets to close', () => left() <= 0, { deadlineMs: socketsDeadlineMs });
    } catch {
      this.problem(
        `${left()} sockets are open ${socketsDeadlineMs} ms after their clients have gone`,
      );
    }
    this.socketsLeft = Math.max(0, left());
  }

  /** Retained messages and known sessions are not leaks: they go first. */
  private async clearState(): Promise<void> {
    const { running } = this.broker;
    for (const clientId of fuzzClientIds) {
      await (await running.connect({ clientId, clean: true })).end();
    }
    const broom = await running.connect({ clientId: 'broom', clean: true });
    await clearRetained(broom);
    await broom.end();
  }
}

/** Clears every retained message of clients; a message of our own says when all have come. */
async function clearRetained(broom: TestClient): Promise<void> {
  await broom.subscribe(['#', 'broom/done']);
  await broom.publish('broom/done', '', { qos: 1 });
  await until('the last retained message', () =>
    broom.packets.some(({ topic }) => topic === 'broom/done'),
  );
  const retained = broom.packets.filter(({ retain }) => retain);
  for (const { topic } of retained) await broom.publish(topic, '', { qos: 1, retain: true });
}

export function megabytes(bytes: number): string {
  return `${(bytes / mib).toFixed(1)} MiB`;
}
