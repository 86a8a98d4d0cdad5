/** One broker of a history: core, cluster and Redis store, as `Assembly` puts them together. */
import type { Clock } from '../../src/base/clock.js';
import type { Log, LogFields, LogLevel } from '../../src/base/log.js';
import { XorShift32 } from '../../src/base/prng.js';
import { BrokerCore } from '../../src/broker/core.js';
import type { DropReason } from '../../src/broker/metrics.js';
import { silentObserver } from '../../src/broker/observer.js';
import { Restore } from '../../src/broker/restore.js';
import { Cluster } from '../../src/cluster/cluster.js';
import type { DeliveryConfig } from '../../src/config/config.js';
import { defaultDelivery, defaultListener } from '../../src/config/defaults.js';
import type { Limits } from '../../src/config/limits.js';
import { RedisStore } from '../../src/store/redis/redis-store.js';
import { FakeAccess } from '../broker/support/fake-broker.js';
import { type Draw, type Loop, Process } from './loop.js';
import { EPOCH_MS } from './redis/fake-redis.js';
import { type Peer, SimTransport } from './sim-transport.js';

/** As in `Assembly`, but less often: histories are full of it. */
const TICK_MS = 200;

/** What a broker tells the history. */
export interface BrokerHome {
  readonly loop: Loop;
  readonly draw: Draw;
  readonly nodes: readonly (readonly [string, number])[];
  readonly limits: Limits;
  readonly queueFullPolicy: DeliveryConfig['queueFullPolicy'];
  trace(who: string, what: string): void;
  onDropped(broker: string, reason: DropReason, clientId: string | null, count: number): void;
  onUnanswered(clientId: string): void;
  onProblem(text: string): void;
}

export class SimBroker {
  readonly name: string;
  process: Process;
  core: BrokerCore | null = null;
  store: RedisStore | null = null;
  /** It takes connections. */
  isServing = false;
  private readonly home: BrokerHome;
  private readonly access = new FakeAccess();
  private readonly listener = defaultListener();
  private transports: SimTransport[] = [];
  private ticker: NodeJS.Timeout | null = null;
  private lives = 0;

  constructor(name: string, home: BrokerHome) {
    this.name = name;
    this.home = home;
    this.process = new Process(name, home.loop);
    this.process.kill();
  }

  /** It runs, or is about to. */
  get isUp(): boolean {
    return !this.process.isDead;
  }

  start(): void {
    const { draw, loop } = this.home;
    this.lives++;
    this.process = new Process(`${this.name}.${this.lives}`, loop);
    const { name } = this.process;
    const clock = new ProcessClock(loop, Math.floor(draw.between(0, 100_000)));
    const log = new TraceLog(this.process.name, this.home);
    this.store = new RedisStore({
      nodes: this.home.nodes,
      username: null,
      password: null,
      tls: null,
      prefix: 'tw:',
      ackLevel: null,
      nodeName: this.name,
      clock,
      log,
    });
    const store = this.store;
    this.core = new BrokerCore({
      delivery: defaultDelivery({ queueFullPolicy: this.home.queueFullPolicy }),
      limits: this.home.limits,
      logsConnections: false,
      clock,
      prng: new XorShift32(draw.below(0x7fff_ffff) + 1),
      log,
      observer: {
        ...silentObserver,
        dropped: (reason, clientId, _topic, count) =>
          this.home.onDropped(name, reason as DropReason, clientId, count),
      },
      store,
      schedule: (end) => {
        loop.schedule(loop.current, 0, end);
      },
    });
    const { core, process } = this;
    loop.schedule(process, 0, () => {
      this.open(core, store).catch((error: unknown) => {
        this.home.trace(
          process.name,
          `cannot start: ${error instanceof Error ? error.stack : String(error)}`,
        );
        if (process !== this.process) return;
        this.home.loop.schedule(this.home.loop.world, 300, () => {
          if (process.isDead || process !== this.process) return;
          this.kill();
          this.start();
        });
      });
    });
  }

  /** `kill -9`: its clients are cut off, and Redis sees its connections end. */
  kill(): void {
    this.isServing = false;
    this.process.kill();
    for (const transport of this.transports) transport.breakOff();
    this.transports = [];
  }

  /** SIGTERM, as `Assembly.close` does it. */
  stop(onStopped: () => void): void {
    this.isServing = false;
    const { core, process, store } = this;
    const close = async (): Promise<void> => {
      core!.isShuttingDown = true;
      core!.shutdown(0x8b);
      core!.journal?.close();
      await store!.close();
      if (this.ticker !== null) clearInterval(this.ticker);
      if (process !== this.process) return;
      this.kill();
      onStopped();
    };
    this.home.loop.schedule(process, 0, () => {
      close().catch((error: unknown) => this.home.onProblem(`${process.name}: ${String(error)}`));
    });
  }

  /** Null: connection refused. */
  connect(peer: Peer): SimTransport | null {
    if (!this.isServing || this.process.isDead) return null;
    const { draw, loop } = this.home;
    const transport = new SimTransport(loop, draw, this.process, peer);
    this.transports.push(transport);
    const core = this.core!;
    // Before the first bytes, which take longer.
    loop.schedule(this.process, 0.05, () => {
      const { clock } = core;
      transport.receiver = core.accept(transport, this.listener, this.access, clock.nowMs());
    });
    return transport;
  }

  private async open(core: BrokerCore, store: RedisStore): Promise<void> {
    const { listener } = this;
    const restore = new Restore(core, () => ({ listener, access: this.access }));
    const { fabric } = store;
    const cluster = new Cluster(core, store, fabric, restore, listener);
    const { name } = this.process;
    const { home } = this;
    await store.open(
      restore,
      {
        onAway: (reason) => home.trace(name, `store away: ${reason}`),
        onBack: () => home.trace(name, 'store back'),
        onFatal: (error) => home.onProblem(`${name}: fatal: ${error.stack}`),
      },
      cluster.observer,
    );
    cluster.begin();
    core.tick();
    this.isServing = true;
    home.trace(name, `serves as ${fabric.node}`);
    this.ticker = setInterval(() => {
      core.tick();
      cluster.tick();
    }, TICK_MS);
  }
}

class ProcessClock implements Clock {
  private readonly loop: Loop;
  private readonly shiftMs: number;

  constructor(loop: Loop, shiftMs: number) {
    this.loop = loop;
    this.shiftMs = shiftMs;
  }

  nowMs(): number {
    return Math.floor(this.loop.nowMs) + this.shiftMs;
  }

  wallMs(): number {
    return EPOCH_MS + Math.floor(this.loop.nowMs);
  }
}

class TraceLog implements Log {
  private readonly name: string;
  private readonly home: BrokerHome;

  constructor(name: string, home: BrokerHome) {
    this.name = name;
    this.home = home;
  }

  write(level: LogLevel, event: string, fields: LogFields = {}): void {
    if (event === 'redis should be set up otherwise') return;
    this.home.trace(this.name, `${level}: ${event} ${JSON.stringify(fields)}`);
    if (event === 'the store does not answer') this.home.onUnanswered(String(fields.clientId));
  }

  enabled(): boolean {
    return true;
  }
}
