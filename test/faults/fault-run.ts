/**
 * A run: broker and store are started, everybody talks, faults come as the schedule has them, and
 * at the end, when nothing more can be on its way, the ledger is judged.
 */
import { TempFolder } from '../support/temp.js';
import { until } from '../support/until.js';
import { BrokerProcess } from './broker-process.js';
import { Crowd } from './crowd.js';
import { untilDrained, untilQuiet } from './drain.js';
import type { Anomaly } from './ledger.js';
import { pass } from './pass.js';
import { PauseMeter } from './pause-meter.js';
import { onePlace } from './places.js';
import { type Fault, type FaultKind, Schedule, type ScheduleOptions } from './schedule.js';
import { type StoreUnderTest, startStore } from './stores.js';
import { Timeline } from './timeline.js';

export interface FaultOptions extends ScheduleOptions {
  /** Ends after so many SIGKILLs of the broker … */
  readonly kills: number;
  /** … and of Redis primaries, or after `durationMs`, whichever comes first. */
  readonly primaryKills: number;
  readonly durationMs: number;
  readonly publishers: number;
  readonly subscribers: number;
  readonly onProgress?: (line: string) => void;
}

export interface FaultReport {
  readonly options: FaultOptions;
  readonly seconds: number;
  readonly injected: ReadonlyMap<FaultKind, number>;
  readonly longestPauseMs: ReadonlyMap<FaultKind, number>;
  readonly slowestStartMs: number;
  readonly acknowledged: { readonly qos1: number; readonly qos2: number };
  readonly received: number;
  readonly lost: number;
  readonly repeatedQos1: number;
  readonly repeatedQos2: number;
  readonly withoutDup: number;
  readonly orderBroken: number;
  readonly unknown: number;
  readonly reconnects: number;
  readonly sessionsLost: number;
  readonly wills: { readonly due: number; readonly lost: number; readonly repeated: number };
  readonly retained: { readonly looks: number; readonly lost: number };
  /** Everything that is wrong, in words; empty: nothing is. */
  readonly findings: readonly string[];
}

/** Every so many faults one subscriber more joins, up to a limit. */
const joinsEvery = 6;
const joinersMax = 4;

export async function runFaults(options: FaultOptions): Promise<FaultReport> {
  const folder = new TempFolder();
  const store = await startStore(options.store, folder);
  try {
    const broker = await BrokerProcess.create(folder, store.lines);
    const run = new FaultRun(options, store, broker);
    try {
      return await run.run();
    } finally {
      run.crowd.leave();
      broker.signal('SIGCONT');
      await broker.kill();
    }
  } finally {
    await store.stop();
    folder.remove();
  }
}

class FaultRun {
  readonly crowd: Crowd;
  private readonly options: FaultOptions;
  private readonly store: StoreUnderTest;
  private readonly broker: BrokerProcess;
  private readonly pauses = new PauseMeter<FaultKind>();
  private readonly timeline = new Timeline<FaultKind>();
  private readonly told = new Set<string>();
  private kills = 0;
  private joiners = 0;

  constructor(options: FaultOptions, store: StoreUnderTest, broker: BrokerProcess) {
    this.options = options;
    this.store = store;
    this.broker = broker;
    const { publishers, subscribers } = options;
    this.crowd = new Crowd({ places: onePlace(broker.port), publishers, subscribers });
    this.crowd.ledger.onAcknowledged = (nowMs) => this.pauses.onAcknowledged(nowMs);
  }

  async run(): Promise<FaultReport> {
    const { crowd, broker, options } = this;
    await broker.start();
    crowd.startSubscribers();
    await until('the first SUBACKs', () => crowd.isSubscribed, { deadlineMs: 30_000 });
    crowd.startPublishers();
    const startedMs = crowd.ledger.nowMs;
    const schedule = new Schedule(options);
    const isOver = (): boolean =>
      this.isEnough || crowd.ledger.nowMs - startedMs >= options.durationMs;
    while (!isOver()) {
      await this.between(schedule.next());
    }
    const seconds = (crowd.ledger.nowMs - startedMs) / 1_000;
    const stalled = await this.drain();
    return this.judge(seconds, stalled);
  }

  private get isEnough(): boolean {
    const { kills, primaryKills } = this.options;
    return this.kills >= kills && (this.timeline.injected.get('kill primary') ?? 0) >= primaryKills;
  }

  /** Waits for the moment of a fault, and brings it about. */
  private async between(fault: Fault): Promise<void> {
    const { crowd, broker } = this;
    if (!broker.isRunning) await broker.start();
    crowd.mourners.refill();
    await pass(fault.afterMs);
    this.note(fault);
    await this.inject(fault);
    crowd.retained.look();
    const faults = this.timeline.length;
    if (faults % joinsEvery === 0 && this.joiners < joinersMax) {
      this.joiners++;
      crowd.addSubscriber().start();
    }
    if (faults % 10 === 0) this.say();
  }

  private async inject(fault: Fault): Promise<void> {
    const { broker, crowd, store } = this;
    switch (fault.kind) {
      case 'kill':
        this.kills++;
        await broker.kill();
        return broker.start();
      case 'kill at start':
        this.kills += 2;
        await broker.kill();
        await broker.spawn();
        await pass(fault.startMs);
        await broker.kill();
        return broker.start();
      case 'restart':
        await broker.stop();
        return broker.start();
      case 'stop':
        return this.stopBroker(fault);
      case 'cut':
        for (const client of crowd.hitBy(fault)) {
          client.cutAfter(fault.bytes, fault.isUp, fault.isHard);
        }
        return;
      case 'takeover':
        for (const client of crowd.hitBy(fault)) client.takeOver();
        return;
      case 'away':
        return crowd.oneOf(fault).goAway(fault.forMs);
      case 'kill primary':
      case 'stop primary':
        return store.inject(fault);
    }
  }

  private async stopBroker({ forMs, isHard }: Fault): Promise<void> {
    const { broker, crowd } = this;
    broker.signal('SIGSTOP');
    await pass(forMs / 2);
    // They do not wait, and the broker finds them twice when it wakes up.
    if (isHard) for (const client of crowd.clients) client.takeOver();
    await pass(forMs / 2);
    broker.signal('SIGCONT');
  }

  /** Until all that is due has come, or nothing comes any more. Says what is missing. */
  private async drain(): Promise<string> {
    const { crowd, store, broker } = this;
    await store.untilWhole();
    const outstanding = await untilDrained(crowd);
    // Whatever the broker may still want to repeat, it does so now.
    await broker.stop();
    await broker.start();
    await untilQuiet(crowd);
    crowd.retained.look();
    await until('the last look', () => crowd.retained.isIdle, { deadlineMs: 10_000 });
    return outstanding;
  }

  private judge(seconds: number, stalled: string): FaultReport {
    const { crowd, broker, store } = this;
    const { ledger } = crowd;
    const { readers } = ledger;
    const anomalies: Anomaly[] = readers.flatMap(({ anomalies: noted }) => noted);
    const lost = readers.reduce(
      (sum, reader) => sum + reader.lost((one) => anomalies.push(one)),
      0,
    );
    const wills = crowd.mourners.figures();
    const sum = (of: (reader: (typeof readers)[number]) => number): number =>
      readers.reduce((total, reader) => total + of(reader), 0);
    const findings = [
      ...(stalled === '' ? [] : [`at the end: ${stalled}`]),
      ...anomalies.map((anomaly) => this.timeline.describe(anomaly)),
      ...crowd.breaches,
      ...crowd.retained.lost,
      ...wills.lost.map((name) => `the will of ${name} was not published`),
      ...wills.repeated.map((name) => `the will of ${name} was published too often`),
      ...broker.troubles.filter((line) => !store.isExpectedTrouble(line)),
    ];
    return {
      options: this.options,
      seconds,
      injected: this.timeline.injected,
      longestPauseMs: this.pauses.longestMs,
      slowestStartMs: broker.slowestStartMs,
      acknowledged: { qos1: ledger.acknowledged(1), qos2: ledger.acknowledged(2) },
      received: sum((reader) => reader.received),
      lost,
      repeatedQos1: sum((reader) => reader.repeatedQos1),
      repeatedQos2: sum((reader) => reader.repeatedQos2),
      withoutDup: crowd.subscribers.reduce((total, one) => total + one.repeatedWithoutDup, 0),
      orderBroken: sum((reader) => reader.orderBroken),
      unknown: sum((reader) => reader.unknown),
      reconnects: crowd.clients.reduce((total, { connects }) => total + connects - 1, 0),
      sessionsLost: crowd.sessionsLost,
      wills: { due: wills.due, lost: wills.lost.length, repeated: wills.repeated.length },
      retained: { looks: crowd.retained.looks, lost: crowd.retained.lost.length },
      findings,
    };
  }

  private note({ kind }: Fault): void {
    const { nowMs } = this.crowd.ledger;
    const count = kind === 'kill at start' ? 2 : 1;
    this.timeline.note(kind, nowMs, count);
    this.pauses.onFault(kind, nowMs);
  }

  /** The findings are told as they come: whoever ends the run early knows them, too. */
  private say(): void {
    const { ledger } = this.crowd;
    const acknowledged = ledger.acknowledged(1) + ledger.acknowledged(2);
    const found = this.found();
    this.options.onProgress?.(
      `${(ledger.nowMs / 1_000).toFixed(0)} s: ${this.timeline.length} faults, ` +
        `${this.kills} kills, ${acknowledged} acknowledged, ${ledger.backlog} behind, ` +
        `${found.length} findings`,
    );
    for (const finding of found) {
      if (!this.told.has(finding)) this.options.onProgress?.(`  ${finding}`);
      this.told.add(finding);
    }
  }

  /** What is wrong already, whatever comes. */
  private found(): string[] {
    const { ledger, breaches, retained } = this.crowd;
    const anomalies = ledger.readers.flatMap(({ anomalies: noted }) => noted);
    return [
      ...anomalies.map((anomaly) => this.timeline.describe(anomaly)),
      ...breaches,
      ...retained.lost,
    ];
  }
}
