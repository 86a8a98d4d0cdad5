/** A run with several brokers, judged, and as a table for the terminal and for docs/faults.md. */
import type { Anomaly } from '../ledger.js';
import { row, whole } from '../report.js';
import type { ClusterFaultOptions, ClusterRun } from './cluster-run.js';
import { type ClusterFaultKind, clusterFaultKinds } from './cluster-schedule.js';
import { leaseSeconds } from './machines.js';
import { percentile } from './resume-meter.js';

export interface ClusterReport {
  readonly options: ClusterFaultOptions;
  readonly strategy: string;
  readonly seconds: number;
  readonly injected: ReadonlyMap<ClusterFaultKind, number>;
  readonly longestPauseMs: ReadonlyMap<ClusterFaultKind, number>;
  /** Milliseconds until clients of a killed broker went on elsewhere; see `ResumeMeter`. */
  readonly resumes: { readonly all: readonly number[]; readonly undisturbed: readonly number[] };
  readonly slowestStartMs: number;
  readonly acknowledged: { readonly qos1: number; readonly qos2: number };
  readonly durable: Received;
  readonly transient: Received & { readonly lives: number };
  readonly shared: Received & {
    readonly acknowledged: number;
    /** QoS 2, through another broker: see `Group`. */
    readonly repeatedElsewhere: number;
  };
  readonly withoutDup: number;
  readonly reconnects: number;
  readonly sessionsLost: number;
  readonly wills: { readonly due: number; readonly lost: number; readonly repeated: number };
  readonly retained: {
    readonly looks: number;
    readonly lost: number;
    /** See `RetainedCheck.behind`. */
    readonly behind: number;
  };
  /** Everything that is wrong, in words; empty: nothing is. */
  readonly findings: readonly string[];
  /** What the brokers have said, and what was done to them, for whoever looks for a cause. */
  readonly log: readonly string[];
}

/** What subscribers of one kind got, all together. */
export interface Received {
  readonly received: number;
  readonly lost: number;
  readonly repeatedQos1: number;
  readonly repeatedQos2: number;
  readonly orderBroken: number;
}

export function judge(run: ClusterRun, seconds: number, stalled: string): ClusterReport {
  const { crowd, machines, meter, pauses, store, timeline } = run;
  const { groups, ledger, live, shared } = crowd;
  const anomalies = [...ledger.readers, ...live, ...groups].flatMap((one) => one.anomalies);
  const keep = (anomaly: Anomaly): number => anomalies.push(anomaly);
  const lostOf = (all: readonly { lost(onLost: (one: Anomaly) => void): number }[]): number =>
    all.reduce((sum, one) => sum + one.lost(keep), 0);
  const durable = { ...sumsOf(ledger.readers), lost: lostOf(ledger.readers) };
  const lostShared = lostOf(groups);
  const wills = crowd.mourners.figures();
  const { retained } = crowd;
  const brokers = machines.all.map(({ broker }) => broker);
  const troubles = brokers.flatMap((one) => one.troubles);
  return {
    options: run.options,
    strategy: run.strategy,
    seconds,
    injected: timeline.injected,
    longestPauseMs: pauses.longestMs,
    resumes: { all: meter.allMs, undisturbed: meter.undisturbedMs },
    slowestStartMs: Math.max(...brokers.map(({ slowestStartMs }) => slowestStartMs)),
    acknowledged: { qos1: ledger.acknowledged(1), qos2: ledger.acknowledged(2) },
    durable,
    transient: {
      ...sumsOf(live),
      lost: live.reduce((sum, { lost }) => sum + lost, 0),
      lives: live.reduce((sum, { lives }) => sum + lives, 0),
    },
    shared: {
      ...sumsOf(groups.map((group) => ({ ...countsOf(group), orderBroken: 0 }))),
      lost: lostShared,
      acknowledged: shared.acknowledged(1) + shared.acknowledged(2),
      repeatedElsewhere: groups.reduce((sum, one) => sum + one.repeatedElsewhere, 0),
    },
    withoutDup: crowd.readers.reduce((sum, one) => sum + one.repeatedWithoutDup, 0),
    reconnects: crowd.clients.reduce((sum, { connects }) => sum + Math.max(0, connects - 1), 0),
    sessionsLost: crowd.sessionsLost,
    wills: { due: wills.due, lost: wills.lost.length, repeated: wills.repeated.length },
    retained: { looks: retained.looks, lost: retained.lost.length, behind: retained.behind },
    findings: [
      ...(stalled === '' ? [] : [`at the end: ${stalled}`]),
      ...anomalies.map((anomaly) => timeline.describe(anomaly)),
      ...crowd.breaches,
      ...retained.lost,
      ...wills.lost.map((name) => `the will of ${name} was not published`),
      ...wills.repeated.map((name) => `the will of ${name} was published too often`),
      ...machines.failures,
      ...troubles.filter((line) => !store.isExpectedTrouble(line)),
    ],
    log: [
      `# began at ${new Date(performance.timeOrigin + ledger.startMs).toISOString()}`,
      ...timeline.lines,
      ...machines.all.flatMap(({ broker, index }) =>
        broker.log.map((line) => `node-${index} ${line}`),
      ),
    ],
  };
}

type Counts = Omit<Received, 'lost'>;

function countsOf({ received, repeatedQos1, repeatedQos2 }: Omit<Counts, 'orderBroken'>) {
  return { received, repeatedQos1, repeatedQos2 };
}

function sumsOf(all: readonly Counts[]): Counts {
  const sum = (of: (one: Counts) => number): number =>
    all.reduce((total, one) => total + of(one), 0);
  return {
    received: sum((one) => one.received),
    repeatedQos1: sum((one) => one.repeatedQos1),
    repeatedQos2: sum((one) => one.repeatedQos2),
    orderBroken: sum((one) => one.orderBroken),
  };
}

/** The tables: of the faults, of the time until clients went on, of what became of messages. */
export function clusterMarkdown(report: ClusterReport): string {
  const { durable, injected, options, shared, transient, wills } = report;
  const kinds = clusterFaultKinds.filter((kind) => injected.has(kind));
  const { all, undisturbed } = report.resumes;
  const line = (what: string, of: (one: Received) => string): string =>
    `| ${what} | ${of(durable)} | ${of(transient)} | ${of(shared)} |`;
  return [
    `${options.brokers} brokers with \`cluster_lease ${leaseSeconds}\` and ` +
      `\`shared_subscription_strategy ${report.strategy}\`, seed ${options.seed}, ` +
      `${report.seconds.toFixed(0)} s, ${whole(report.reconnects)} reconnections, slowest start ` +
      `of a broker ${whole(report.slowestStartMs)} ms.`,
    '',
    '| fault | injected | longest pause after it, ms |',
    '| --- | ---: | ---: |',
    ...kinds.map((kind) => {
      const pause = whole(report.longestPauseMs.get(kind) ?? 0);
      return `| ${kind} | ${injected.get(kind)} | ${pause} |`;
    }),
    '',
    '| from the first attempt elsewhere until CONNACK, ms | clients | p50 | p99 | longest |',
    '| --- | ---: | ---: | ---: | ---: |',
    times('a broker was killed, and nothing else broken', undisturbed),
    times('all, also while more was broken', all),
    '',
    '| messages | durable | transient | shared |',
    '| --- | ---: | ---: | ---: |',
    line('received', ({ received }) => whole(received)),
    line('lost', ({ lost }) => whole(lost)),
    line('repeated (QoS 1)', ({ repeatedQos1 }) => whole(repeatedQos1)),
    line('repeated (QoS 2)', ({ repeatedQos2 }) => whole(repeatedQos2)),
    line('order broken', (one) => (one === shared ? '–' : whole(one.orderBroken))),
    '',
    '| | |',
    '| --- | ---: |',
    row('acknowledged, QoS 1', report.acknowledged.qos1),
    row('acknowledged, QoS 2', report.acknowledged.qos2),
    row('acknowledged, for shared subscriptions', shared.acknowledged),
    row('– QoS 2 to another member, repeated through another broker', shared.repeatedElsewhere),
    row('connections with transient subscriptions', transient.lives),
    row('sent again without DUP', report.withoutDup),
    row('sessions lost', report.sessionsLost),
    row('wills due', wills.due),
    row('– lost', wills.lost),
    row('– published twice', wills.repeated),
    row('looks at 40 retained messages', report.retained.looks),
    row('– lost or older than acknowledged', report.retained.lost),
    row('– retained, behind a newer one that was just published', report.retained.behind),
  ].join('\n');
}

function times(what: string, values: readonly number[]): string {
  const figures = [50, 99, 100].map((percent) => whole(percentile(values, percent)));
  return `| ${what} | ${[whole(values.length), ...figures].join(' | ')} |`;
}
