/**
 * A run with several brokers: Redis and the brokers are started, everybody talks, the faults of the
 * pack are brought about one after the other, those that take their time beside each other, and at
 * the end, when all is whole again and nothing more can be on its way, the ledgers are judged.
 */
import { Random } from '../../fuzz/random.js';
import { TempFolder } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { untilDrained, untilQuiet } from '../drain.js';
import { pass } from '../pass.js';
import { PauseMeter } from '../pause-meter.js';
import { type RedisUnderTest, startRedis } from '../stores.js';
import { Timeline } from '../timeline.js';
import { ClusterCrowd } from './cluster-crowd.js';
import { Injector } from './cluster-faults.js';
import { ClusterPlaces } from './cluster-places.js';
import { type ClusterReport, judge } from './cluster-report.js';
import {
  type ClusterFault,
  type ClusterFaultKind,
  killsOf,
  type PackOptions,
  packOf,
} from './cluster-schedule.js';
import { Machines } from './machines.js';
import { redisSettings } from './redis-path.js';
import { ResumeMeter } from './resume-meter.js';

export interface ClusterFaultOptions extends PackOptions {
  readonly brokers: number;
  /** Ends after so long, also when not all faults were brought about. */
  readonly durationMs: number;
  readonly publishers: number;
  readonly subscribers: number;
  readonly members: number;
  readonly transients: number;
  readonly onProgress?: (line: string) => void;
}

/** What `shared_subscription_strategy` may be: the seed picks one. */
const strategies = ['round_robin', 'random', 'sticky', 'hash_client', 'hash_topic', 'local'];
/** Publishers send so many 50 times a second at most, or the machine would be busy with that. */
const windows = [8, 3, 12];
const joinsEvery = 10;
const joinersMax = 4;
/** The draws of places and the pack's are different ones. */
const placesStream = 1;

export async function runClusterFaults(options: ClusterFaultOptions): Promise<ClusterReport> {
  const folder = new TempFolder();
  const strategy = strategies[options.seed % strategies.length];
  const store = await startRedis(folder, redisSettings);
  try {
    const machines = await Machines.create(folder, store, options.brokers, strategy);
    const run = new ClusterRun(options, strategy, store, machines);
    try {
      return await run.run();
    } finally {
      run.crowd.leave();
      await machines.stop();
    }
  } finally {
    await store.stop();
    folder.remove();
  }
}

export class ClusterRun {
  readonly options: ClusterFaultOptions;
  readonly strategy: string;
  readonly crowd: ClusterCrowd;
  readonly machines: Machines;
  readonly store: RedisUnderTest;
  readonly meter = new ResumeMeter();
  readonly pauses = new PauseMeter<ClusterFaultKind>();
  readonly timeline = new Timeline<ClusterFaultKind>();
  kills = 0;
  private readonly injector: Injector;
  private readonly told = new Set<string>();
  private joiners = 0;

  constructor(
    options: ClusterFaultOptions,
    strategy: string,
    store: RedisUnderTest,
    machines: Machines,
  ) {
    this.options = options;
    this.strategy = strategy;
    this.store = store;
    this.machines = machines;
    const random = new Random(options.seed, placesStream);
    const places = new ClusterPlaces(machines.all, random, this.meter);
    const { members, publishers, subscribers, transients } = options;
    const isPaced = true;
    this.crowd = new ClusterCrowd({
      ...{ places, publishers, subscribers, members, transients },
      ...{ windows, isPaced },
    });
    for (const ledger of [this.crowd.ledger, this.crowd.shared]) {
      ledger.onAcknowledged = () => this.pauses.onAcknowledged(this.crowd.ledger.nowMs);
    }
    this.injector = new Injector(this);
  }

  async run(): Promise<ClusterReport> {
    const { crowd, machines, options } = this;
    await machines.start();
    crowd.startSubscribers();
    await until('the first SUBACKs', () => crowd.isSubscribed, { deadlineMs: 30_000 });
    crowd.startPublishers();
    const startedMs = crowd.ledger.nowMs;
    for (const fault of packOf(options)) {
      if (crowd.ledger.nowMs - startedMs >= options.durationMs) break;
      await this.between(fault);
    }
    const seconds = (crowd.ledger.nowMs - startedMs) / 1_000;
    const stalled = await this.drain();
    for (const { broker } of this.machines.all) await broker.stop();
    return judge(this, seconds, stalled);
  }

  /** Says what was done, and when. */
  note({ kind }: ClusterFault, what: string): void {
    const { nowMs } = this.crowd.ledger;
    this.kills += killsOf(kind);
    this.timeline.note(kind, nowMs, Math.max(1, killsOf(kind)), what);
    this.pauses.onFault(kind, nowMs);
  }

  /** Waits for the moment of a fault, and brings it about. */
  private async between(fault: ClusterFault): Promise<void> {
    const { crowd, timeline } = this;
    crowd.mourners.refill();
    await pass(fault.afterMs);
    await this.injector.inject(fault);
    crowd.retained.look();
    if (timeline.length % joinsEvery === 0 && this.joiners < joinersMax) {
      this.joiners++;
      crowd.addSubscriber().start();
    }
    if (timeline.length % 10 === 0) this.say();
  }

  /** Until all that is due has come, or nothing comes any more. Says what is missing. */
  private async drain(): Promise<string> {
    const { crowd, machines, store } = this;
    await machines.untilWhole();
    await store.untilWhole();
    const outstanding = await untilDrained(crowd);
    if (outstanding !== '') for (const { broker } of machines.all) broker.signal('SIGUSR1');
    for (const reader of crowd.live) reader.judge(crowd.ledger.nowMs);
    // Whatever a broker may still want to repeat, it does so now.
    for (const { broker } of machines.all) {
      await broker.stop();
      await broker.start();
    }
    await untilQuiet(crowd);
    for (const { broker } of machines.all) {
      await until('the look before', () => crowd.retained.isIdle, { deadlineMs: 10_000 });
      crowd.retained.look(broker.port);
      await until('the last look', () => crowd.retained.isIdle, { deadlineMs: 10_000 });
    }
    return outstanding;
  }

  /** The findings are told as they come: whoever ends the run early knows them, too. */
  private say(): void {
    const { crowd, kills, timeline } = this;
    const { ledger, shared } = crowd;
    const of = (qos: 1 | 2): number => ledger.acknowledged(qos) + shared.acknowledged(qos);
    const anomalies = [...ledger.readers, ...crowd.live, ...crowd.groups].flatMap(
      ({ anomalies: noted }) => noted,
    );
    const found = [
      ...anomalies.map((anomaly) => timeline.describe(anomaly)),
      ...crowd.breaches,
      ...crowd.retained.lost,
    ];
    const faults = [...timeline.injected.values()].reduce((a, b) => a + b, 0);
    this.options.onProgress?.(
      `${(ledger.nowMs / 1_000).toFixed(0)} s: ${faults} faults, ${kills} kills, ` +
        `${of(1) + of(2)} acknowledged, ${ledger.backlog} behind, ${found.length} findings`,
    );
    for (const finding of found) {
      if (!this.told.has(finding)) this.options.onProgress?.(`  ${finding}`);
      this.told.add(finding);
    }
  }
}
