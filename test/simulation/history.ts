/**
 * One history: a seed decides the shape of the cluster, who its clients are, what they do and what
 * goes wrong. At the end everything is mended, everybody has time to finish, and `verdict.ts` says
 * what was promised and not kept. The same seed gives the same history, to the byte.
 */
import { type DropReason, dropReasonNames } from '../../src/broker/metrics.js';
import type { DeliveryConfig } from '../../src/config/config.js';
import { defaultLimits, type Limits } from '../../src/config/limits.js';
import { clients } from '../../src/store/redis/connection.js';
import { replaceBuiltins } from './builtins.js';
import { Drops } from './drops.js';
import { Faults } from './faults.js';
import { Draw, Loop } from './loop.js';
import { makeClients } from './population.js';
import type { Publisher } from './publisher.js';
import { FakeRedis } from './redis/fake-redis.js';
import { Network } from './redis/network.js';
import { type BrokerHome, SimBroker } from './sim-broker.js';
import type { ClientHome, SimClient } from './sim-client.js';
import type { Subscriber } from './subscriber.js';
import { judge } from './verdict.js';

/** What a history may be; absent: the seed decides. */
export interface HistoryOptions {
  readonly seed: number;
  readonly brokers?: number | undefined;
  /** Keeps what happened, line by line. */
  readonly isTraced?: boolean;
  /** Without faults: what fails then is broken anyway. */
  readonly isCalm?: boolean;
}

export interface Report {
  readonly seed: number;
  readonly problems: readonly string[];
  readonly lines: readonly string[];
  readonly events: number;
  readonly virtualMs: number;
  readonly acknowledged: number;
  readonly faults: Readonly<Record<string, number>>;
}

/** Milliseconds that everybody has at the end; whoever is not done by then is wedged. */
const SETTLE_MS = 90_000;
const LOOK_MS = 1_000;
/** After everything seems to be done: what should not come would come now. */
const AFTER_MS = 3_000;

/** Runs one history. To be called outside of microtasks: see `inItsOwnTurn`. */
export function runHistory(options: HistoryOptions): Report {
  const loop = new Loop();
  const draw = new Draw(options.seed);
  const restore = replaceBuiltins(loop, draw.fork());
  const make = clients.make;
  const history = new History(options, loop, draw);
  try {
    return history.run();
  } finally {
    clients.make = make;
    restore();
  }
}

/** Runs `body` where no microtask is underway. */
export function inItsOwnTurn<Result>(body: () => Result): Promise<Result> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(body());
      } catch (error) {
        reject(error);
      }
    });
  });
}

export class History implements BrokerHome, ClientHome {
  readonly loop: Loop;
  readonly draw: Draw;
  readonly redis: FakeRedis;
  readonly brokers: SimBroker[] = [];
  readonly publishers: Publisher[] = [];
  readonly subscribers: Subscriber[] = [];
  readonly problems: string[] = [];
  readonly drops = new Drops();
  /** Queues are short, messages expire or are large, clients read slowly: some are dropped. */
  readonly isTight: boolean;
  readonly limits: Limits;
  readonly queueFullPolicy: DeliveryConfig['queueFullPolicy'];
  private readonly lines: string[] = [];
  private readonly options: HistoryOptions;
  private readonly network: Network;
  private readonly faults: Faults;

  constructor(options: HistoryOptions, loop: Loop, draw: Draw) {
    this.options = options;
    this.loop = loop;
    this.draw = draw.fork();
    const slowness = draw.pick([0.3, 0.5, 2, 10]);
    this.network = new Network(loop, draw.fork(), {
      delayMs: (source) =>
        source.chance(0.02) ? source.between(0, 40 * slowness) : source.between(0.05, slowness),
    });
    const primaries = draw.pick([0, 1, 3]);
    const replicas = primaries === 0 ? 0 : draw.pick([1, 1, 0]);
    const skewMs = draw.pick([0, 5, 50]);
    const shape = { primaries, replicas, skewMs, isWhole: draw.chance(0.7) };
    this.redis = new FakeRedis(shape, loop, draw.fork(), this.network);
    clients.make = (given) => this.redis.client(loop.current, given).asRedis();
    this.faults = new Faults(this, this.network, this.draw.fork());
    this.isTight = draw.chance(0.3);
    this.limits = this.isTight ? defaultLimits(tightLimits(draw)) : defaultLimits();
    this.queueFullPolicy = this.isTight
      ? draw.pick(['drop_newest', 'drop_oldest', 'refuse'] as const)
      : 'drop_newest';
    const count = options.brokers ?? draw.pick([1, 2, 3, 3]);
    this.trace('world', `${count} brokers, ${primaries} primaries with ${replicas} replicas each`);
    if (this.isTight) this.trace('world', `tight: ${this.queueFullPolicy}`);
    for (let index = 0; index < count; index++) {
      this.brokers.push(new SimBroker('abc'[index]!, this));
    }
  }

  get nodes(): readonly (readonly [string, number])[] {
    return this.redis.nodes;
  }

  get hasFaults(): boolean {
    return Object.keys(this.faults.counts).length > 0;
  }

  /** Brokers died or stood still, or were cut off: what they had not written is lost, or late. */
  get hasBrokerFaults(): boolean {
    const kinds = Object.keys(this.faults.counts);
    return kinds.some((kind) => kind.endsWith(' broker') || /^(cut off|split redis)$/.test(kind));
  }

  get clients(): readonly SimClient[] {
    return [...this.publishers, ...this.subscribers];
  }

  run(): Report {
    const { faults } = this;
    try {
      this.live();
    } catch (error) {
      this.onProblem(`a broker threw: ${error instanceof Error ? error.stack : String(error)}`);
    }
    if (this.problems.length === 0) judge(this);
    return {
      seed: this.options.seed,
      problems: this.problems,
      lines: this.lines,
      events: this.loop.events,
      virtualMs: this.loop.nowMs,
      acknowledged: this.publishers.reduce(
        (sum, { sent }) => sum + sent.filter(({ ackedMs }) => ackedMs >= 0).length,
        0,
      ),
      faults: faults.counts,
    };
  }

  trace(who: string, what: string): void {
    if (!this.options.isTraced) return;
    this.lines.push(`${this.loop.nowMs.toFixed(2).padStart(10)} ${who.padEnd(6)} ${what}`);
  }

  get refuses(): boolean {
    return this.queueFullPolicy === 'refuse';
  }

  onDropped(broker: string, reason: DropReason, clientId: string | null, count: number): void {
    this.trace(broker, `dropped ${count} of ${clientId}: ${dropReasonNames[reason]}`);
    this.drops.add({ broker, reason, clientId, count, atMs: this.loop.nowMs });
  }

  onUnanswered(clientId: string): void {
    this.clients.find((client) => client.clientId === clientId)?.onUnanswered();
  }

  onProblem(text: string): void {
    this.trace('PROBLEM', text);
    if (this.problems.length < 20) this.problems.push(text);
  }

  private live(): void {
    const { faults } = this;
    for (const broker of this.brokers) broker.start();
    this.loop.runUntil(this.loop.nowMs + this.draw.between(0, 2_000));
    makeClients(this, this.publishers, this.subscribers);
    for (const client of this.clients) client.begin();
    this.loop.runUntil(this.loop.nowMs + 500);
    const lastsMs = this.draw.between(2_000, 15_000);
    const endMs = this.loop.nowMs + lastsMs;
    this.keepBusy(endMs);
    if (!this.options.isCalm) faults.plan(endMs);
    this.loop.runUntil(endMs);
    this.trace('world', '——— everything is mended ———');
    faults.mendAll();
    for (const client of this.clients) client.isAway = false;
    // Who was cut off to the end has to hear what became of it.
    if (this.network.healedMs > 0) this.loop.runUntil(this.network.healedMs + AFTER_MS);
    const latestMs = this.loop.nowMs + SETTLE_MS;
    do this.loop.runUntil(this.loop.nowMs + LOOK_MS);
    while (this.loop.nowMs < latestMs && !this.isSettled());
    this.loop.runUntil(this.loop.nowMs + AFTER_MS);
  }

  private isSettled(): boolean {
    const probe = new Probe();
    const before = this.problems.length;
    judge(this, probe);
    return probe.isEmpty && this.problems.length === before;
  }

  /** Publishers publish, and clients come and go. */
  private keepBusy(endMs: number): void {
    const { draw, loop } = this;
    const publishMs = draw.pick([20, 60, 200]);
    const unrestMs = draw.pick([500, 1_500, 5_000]);
    const again = (everyMs: number, act: () => void): void => {
      const next = (): void => {
        if (loop.nowMs >= endMs) return;
        act();
        loop.schedule(loop.world, draw.between(0, 2 * everyMs), next);
      };
      loop.schedule(loop.world, draw.between(0, 2 * everyMs), next);
    };
    again(publishMs, () => {
      const publisher = draw.pick(this.publishers);
      const qos = draw.pick([0, 1, 1, 2, 2] as const);
      if (draw.chance(0.1)) {
        publisher.publish(`r/${publisher.clientId}`, qos || 1, { retain: true });
        return;
      }
      const expiryS = this.isTight && draw.chance(0.2) ? draw.pick([1, 3]) : 0;
      const isLarge = this.isTight && draw.chance(0.2);
      publisher.publish(draw.pick(['t/0', 't/1', 's/0', 'n/0']), qos, { expiryS, isLarge });
    });
    again(unrestMs, () => {
      const client = draw.pick(this.clients);
      const what = draw.below(10);
      if (what < 4) client.drop('by chance');
      else if (what < 7) client.move();
      else if (what < 9) client.leave();
      else this.sendAway(client);
    });
  }

  private sendAway(client: SimClient): void {
    client.isAway = true;
    client.drop('to be away for a while');
    const awayMs = this.draw.between(500, 6_000);
    this.loop.schedule(this.loop.world, awayMs, () => {
      client.isAway = false;
    });
  }
}

/** So little that it is reached; of MQTT 5.0 clients, what is in flight is theirs to say. */
function tightLimits(draw: Draw): Partial<Limits> {
  return {
    queuedMessagesMax: draw.pick([1, 4, 12]),
    inflightMessagesMax: draw.pick([1, 4, 100]),
    outputBytesMax: draw.pick([300, 1_500]),
  };
}

/** Takes problems that may still mend themselves. */
export class Probe {
  isEmpty = true;

  add(_text: string): void {
    this.isEmpty = false;
  }
}
