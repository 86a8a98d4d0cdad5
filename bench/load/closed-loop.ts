/**
 * The closed loop: messages are published only while fewer than the window are outstanding.
 *
 *   read deliveries ─▶ acknowledge ─▶ (end of turn) top up every publisher ─▶ read …
 *
 * A publisher is topped up by one burst at most, once per turn that brought something or once
 * per millisecond, as the C generator does, so that both load a broker in the same way.
 */
import { LatencyHistogram } from './latency-histogram.js';
import { LoadClient, type Run, SharedBuffers } from './load-client.js';
import type { LoadError } from './load-error.js';
import type { LoadOptions } from './options.js';
import { nowUs } from './packets.js';
import { PeakMemory } from './peak-memory.js';
import { cpuSecondsOf } from './process-usage.js';

export type Phase = 'measuring' | 'measured';

/** In flight per publisher at most: packet ids end at 65 535. */
const INFLIGHT_MAX = 60_000;
const TICK_MS = 1;
const DRAIN_MS = 3000;

/** One line of JSON; names that the C generator has too are its names. */
export interface LoadResult {
  readonly qos: number;
  readonly pubs: number;
  readonly subs: number;
  readonly size: number;
  readonly secs: number;
  readonly sent_per_s: number;
  readonly recv_per_s: number;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly p999_us: number;
  /** PUBACK after the moment at which a message was due; 0 unless that is measured. */
  readonly ack_p50_us: number;
  readonly ack_p99_us: number;
  readonly ack_p999_us: number;
  /** CPU seconds of the broker per second. */
  readonly broker_cpu: number;
  /** CPU seconds of its store's processes per second. */
  readonly store_cpu: number;
  /** Deliveries per CPU second of the broker and its store. */
  readonly recv_per_cpu_s: number;
  readonly rss_mb: number;
  readonly lost: number;
  readonly dup: number;
  /** CPU seconds of this process per second, all threads. */
  readonly generator_cpu: number;
}

/** @param onPhase hears when the measured time begins and when it is over */
export async function runClosedLoop(
  options: LoadOptions,
  onPhase: (phase: Phase) => void,
): Promise<LoadResult> {
  const run = newRun(options);
  const failed = new Promise<never>((_, reject) => {
    run.onFailure = reject;
  });
  return await Promise.race([new ClosedLoop(run).go(onPhase), failed]);
}

export function newRun(options: LoadOptions): Run {
  return {
    options,
    latencies: new LatencyHistogram(),
    ackLatencies: new LatencyHistogram(),
    buffers: new SharedBuffers(options),
    received: 0,
    measured: 0,
    duplicates: 0,
    isMeasuring: false,
    measuredFromUs: Number.POSITIVE_INFINITY,
    measuredToUs: Number.POSITIVE_INFINITY,
    isOver: false,
    onProgress: () => undefined,
    onFailure: (_error: LoadError) => undefined,
  };
}

/** What the measured time took. */
interface Used {
  readonly seconds: number;
  readonly brokerCpuS: number;
  readonly storeCpuS: number;
  readonly ownCpuS: number;
  readonly rssMiB: number;
}

class ClosedLoop {
  private readonly run: Run;
  private readonly options: LoadOptions;
  private readonly publishers: LoadClient[] = [];
  private readonly clients: LoadClient[] = [];
  /** Deliveries that one message to topic `i` makes. */
  private readonly fanOut: number[];
  private expected = 0;
  private measuredSent = 0;
  private isPumping = false;
  private isScheduled = false;
  private readonly pumpSoon: () => void;

  constructor(run: Run) {
    this.run = run;
    this.options = run.options;
    this.fanOut = fanOutPerTopic(run.options);
    const pump = () => this.pump();
    this.pumpSoon = () => {
      if (this.isScheduled || !this.isPumping) return;
      this.isScheduled = true;
      setImmediate(pump);
    };
  }

  async go(onPhase: (phase: Phase) => void): Promise<LoadResult> {
    const { options, run } = this;
    await this.connectAll();
    run.onProgress = this.pumpSoon;
    this.startPublishing();
    const ticker = setInterval(this.pumpSoon, TICK_MS);
    await elapsed(options.warmupS * 1000);

    const memory = new PeakMemory(options.brokerPids);
    onPhase('measuring');
    const cpuBefore = cpuSecondsOf(options.brokerPids);
    const storeBefore = cpuSecondsOf(options.storePids);
    const ownBefore = process.cpuUsage();
    run.measuredFromUs = performance.now() * 1000;
    run.isMeasuring = true;
    await elapsed(options.durationS * 1000);
    run.isMeasuring = false;
    run.measuredToUs = performance.now() * 1000;
    const own = process.cpuUsage(ownBefore);
    const used: Used = {
      seconds: (run.measuredToUs - run.measuredFromUs) / 1e6,
      brokerCpuS: cpuSecondsOf(options.brokerPids) - cpuBefore,
      storeCpuS: cpuSecondsOf(options.storePids) - storeBefore,
      ownCpuS: (own.user + own.system) / 1e6,
      rssMiB: memory.stop(),
    };
    onPhase('measured');

    this.isPumping = false;
    clearInterval(ticker);
    await this.drain();
    run.isOver = true;
    for (const client of this.clients) client.close();
    return this.result(used);
  }

  private result({ seconds, brokerCpuS, storeCpuS, ownCpuS, rssMiB }: Used): LoadResult {
    const { options, run } = this;
    const cpuS = brokerCpuS + storeCpuS;
    return {
      qos: options.publishQos,
      pubs: options.publishers,
      subs: options.subscribers,
      size: options.payloadBytes,
      secs: round(seconds, 2),
      sent_per_s: Math.round(this.measuredSent / seconds),
      recv_per_s: Math.round(run.measured / seconds),
      p50_us: run.latencies.percentile(0.5),
      p99_us: run.latencies.percentile(0.99),
      p999_us: run.latencies.percentile(0.999),
      ack_p50_us: run.ackLatencies.percentile(0.5),
      ack_p99_us: run.ackLatencies.percentile(0.99),
      ack_p999_us: run.ackLatencies.percentile(0.999),
      broker_cpu: round(brokerCpuS / seconds, 2),
      store_cpu: round(storeCpuS / seconds, 2),
      recv_per_cpu_s: cpuS > 0 ? Math.round(run.measured / cpuS) : 0,
      rss_mb: round(rssMiB, 1),
      lost: this.expected - run.received,
      dup: run.duplicates,
      generator_cpu: round(ownCpuS / seconds, 2),
    };
  }

  /** One after the other: subscribers first, so that no message misses one. */
  private async connectAll(): Promise<void> {
    const { options } = this;
    const total = options.subscribers + options.publishers;
    for (let i = 0; i < total; i++) {
      const isPublisher = i >= options.subscribers;
      const index = isPublisher ? i - options.subscribers : i;
      const client = new LoadClient(this.run, index, isPublisher);
      await client.connect(sourceAddress(options, i));
      if (isPublisher) this.publishers.push(client);
      else await client.subscribe();
      this.clients.push(client);
    }
  }

  private startPublishing(): void {
    const { options, publishers } = this;
    const now = nowUs();
    const stepUs = options.ratePerS > 0 ? 1e6 / options.ratePerS / publishers.length : 0;
    for (const client of publishers) client.nextDueUs = now + client.index * stepUs;
    this.isPumping = true;
    this.pumpSoon();
  }

  private pump(): void {
    this.isScheduled = false;
    if (!this.isPumping) return;
    const { topics, ratePerS } = this.options;
    for (const client of this.publishers) {
      if (client.isBlocked) continue;
      const fanOut = this.fanOut[client.index % topics];
      const now = nowUs();
      const dueUs = ratePerS > 0 ? client.nextDueUs : now;
      const count = this.allowance(client, fanOut, now);
      if (count <= 0) continue;
      client.publish(count, now, dueUs, ratePerS > 0 ? 1e6 / ratePerS : 0);
      this.expected += count * fanOut;
      if (this.run.isMeasuring) this.measuredSent += count;
    }
    // Nobody will answer: only the sockets' own back-pressure holds the publishers.
    if (this.expected === this.run.received && this.options.ratePerS === 0) this.pumpSoon();
  }

  /** How many messages a publisher may send now. */
  private allowance(client: LoadClient, fanOut: number, now: number): number {
    const { options, run } = this;
    let count = client.burstMax;
    if (options.ratePerS > 0) {
      const intervalUs = 1e6 / options.ratePerS;
      count = Math.min(count, Math.floor((now - client.nextDueUs) / intervalUs) + 1);
    } else {
      const each = Math.max(fanOut, 1);
      const room = options.window * options.publishers * each - (this.expected - run.received);
      count = Math.min(count, Math.ceil(room / each));
    }
    if (options.publishQos > 0) {
      count = Math.min(count, Math.min(options.window, INFLIGHT_MAX) - client.inflight);
    }
    if (options.ratePerS > 0 && count > 0) client.nextDueUs += (count * 1e6) / options.ratePerS;
    return count;
  }

  private async drain(): Promise<void> {
    const deadline = performance.now() + DRAIN_MS;
    while (this.run.received < this.expected && performance.now() < deadline) await elapsed(10);
  }
}

export function sourceAddress(options: LoadOptions, index: number): string | null {
  return options.sourceAddresses > 1 ? `127.0.0.${2 + (index % options.sourceAddresses)}` : null;
}

export function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** Deliveries that one message to topic `i` makes. */
export function fanOutPerTopic(options: LoadOptions): number[] {
  const { filter, subscribers, topics } = options;
  const fanOut = new Array<number>(topics).fill(0);
  for (let s = 0; s < subscribers; s++) {
    if (filter === null) fanOut[s % topics]++;
    else if (!filter.startsWith('$share/') || s === 0) for (let t = 0; t < topics; t++) fanOut[t]++;
  }
  return fanOut;
}
