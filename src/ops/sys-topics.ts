/**
 * `$SYS/broker/…`: the broker's figures as retained messages, under Mosquitto's names. As in
 * Mosquitto all are published when the broker starts and later only those that have changed,
 * every `sys_interval` seconds, at QoS 2.
 */
import type { Clock } from '../base/clock.js';
import type { Metrics } from '../broker/metrics.js';
import type { MessageOptions } from '../broker/own-messages.js';
import { LoadAverage, loadMinutes } from './load-average.js';
import {
  loadValues,
  mosquittoValues,
  ownValues,
  type SysJournal,
  type SysSnapshot,
  storeValues,
} from './sys-values.js';

export const SYS_PREFIX = '$SYS/broker/';

const asRetained: MessageOptions = { qos: 2, retain: true };
const empty = Buffer.alloc(0);

/** What is needed of the broker core. */
export interface SysCore {
  readonly metrics: Metrics;
  readonly retained: { readonly size: number; readonly bytes: number };
  readonly index: { readonly size: number };
  /** Of a durable store; null without. */
  readonly journal: SysJournal | null;
  /** Brings the costly gauges of `metrics` up to date. */
  refreshGauges(): void;
  publish(topicName: string, payload: Uint8Array, options: MessageOptions): void;
}

export interface SysOptions {
  readonly clock: Clock;
  /** Seconds; 0: no `$SYS`. */
  readonly intervalS: number;
  /** Of Tidewire, such as `1.2.3`. */
  readonly version: string;
  /** Shared ones among the subscriptions. */
  readonly sharedSubscriptions: () => number;
  /** CONNECTs that were answered with success, since the start. */
  readonly clientsAccepted: () => number;
  /** `process.memoryUsage` */
  readonly memory: () => { readonly heapUsed: number; readonly rss: number };
  /** Figures of others, by topic below `$SYS/broker/`. */
  readonly extras?: () => Readonly<Record<string, number>>;
}

export class SysTopics {
  private readonly core: SysCore;
  private readonly options: SysOptions;
  private readonly startedAtMs: number;
  private intervalMs: number;
  private publishedAtMs: number;
  private heapBytesMax = 0;
  private readonly loads: ReadonlyMap<string, LoadAverage>;
  /** Topic below the prefix → payload as last published. */
  private readonly published = new Map<string, string>();

  constructor(core: SysCore, options: SysOptions) {
    this.core = core;
    this.options = options;
    this.intervalMs = options.intervalS * 1000;
    this.startedAtMs = options.clock.nowMs();
    this.publishedAtMs = this.startedAtMs;
    const snapshot = this.snapshot();
    this.loads = new Map(
      Object.entries(loadValues).map(([name, read]) => [name, new LoadAverage(read(snapshot))]),
    );
    if (this.intervalMs > 0) this.publishAll();
  }

  /** To be called about once a second: publishes when the interval is over. */
  tick(): void {
    const { intervalMs } = this;
    const elapsedMs = this.options.clock.nowMs() - this.publishedAtMs;
    if (intervalMs === 0 || elapsedMs < intervalMs) return;
    this.publishedAtMs += elapsedMs;
    const snapshot = this.snapshot();
    for (const [name, load] of this.loads) load.update(loadValues[name]!(snapshot), elapsedMs);
    this.publishAll();
  }

  /** After a reload. With 0 the figures disappear: nobody is to take old ones for current. */
  setInterval(seconds: number): void {
    const wasOff = this.intervalMs === 0;
    this.intervalMs = seconds * 1000;
    if (seconds === 0) this.removeAll();
    else if (wasOff) this.publishAll();
  }

  private publishAll(): void {
    const { clock, version, extras } = this.options;
    const uptimeS = Math.floor((clock.nowMs() - this.startedAtMs) / 1000);
    this.publish('version', `tidewire version ${version}`);
    this.publish('uptime', `${uptimeS} seconds`);
    const snapshot = this.snapshot();
    for (const values of [mosquittoValues, ownValues]) {
      for (const [name, read] of Object.entries(values)) {
        this.publish(name, String(read(snapshot)));
      }
    }
    for (const [name, load] of this.loads) {
      loadMinutes.forEach((minutes, index) => {
        this.publish(`load/${name}/${minutes}min`, load.averages[index]!.toFixed(2));
      });
    }
    const { journal } = this.core;
    const others = { ...(journal === null ? {} : storeValues(journal)), ...extras?.() };
    for (const [name, value] of Object.entries(others)) {
      this.publish(name, String(value));
    }
  }

  private publish(name: string, payload: string): void {
    if (this.published.get(name) === payload) return;
    this.published.set(name, payload);
    this.core.publish(SYS_PREFIX + name, Buffer.from(payload), asRetained);
  }

  private removeAll(): void {
    for (const name of this.published.keys()) {
      this.core.publish(SYS_PREFIX + name, empty, asRetained);
    }
    this.published.clear();
  }

  private snapshot(): SysSnapshot {
    this.core.refreshGauges();
    const { core, options } = this;
    const { heapUsed, rss } = options.memory();
    this.heapBytesMax = Math.max(this.heapBytesMax, heapUsed);
    return {
      metrics: core.metrics,
      retainedMessages: core.retained.size,
      retainedBytes: core.retained.bytes,
      subscriptions: core.index.size,
      sharedSubscriptions: options.sharedSubscriptions(),
      clientsAccepted: options.clientsAccepted(),
      heapBytes: heapUsed,
      heapBytesMax: this.heapBytesMax,
      residentBytes: rss,
    };
  }
}
