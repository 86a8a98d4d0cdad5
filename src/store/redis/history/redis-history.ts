/**
 * The history in Redis: partitions by topic, each with a stream per QoS, and one stream of
 * presence events. docs/adr/0016 has the reasons.
 */
import { BrokerError } from '../../../base/errors.js';
import type {
  HistoryCursor,
  HistoryLog,
  HistoryQuery,
  HistorySettings,
  HistoryWrite,
  LastMessages,
  PresenceFields,
} from '../../history.js';
import { TaskLane } from '../fabric/task-lane.js';
import { HISTORY_TAG, type Keys } from '../keys.js';
import type { LaneHome } from '../lane.js';
import type { Reader } from '../reader.js';
import { HISTORY_FORMAT } from './entry.js';
import { EventLane } from './event-lane.js';
import { HistoryLane } from './history-lane.js';
import { HistoryReader, partitionOf } from './history-reader.js';
import { TRIM_MS } from './limits.js';
import { agreeScript } from './scripts.js';

/** What the history needs of its store. */
export interface HistoryHome extends LaneHome {
  readonly keys: Keys;
  readonly reader: Reader;
  readonly cluster: { flush(): void };
}

export class RedisHistory implements HistoryLog {
  private readonly home: HistoryHome;
  private lanes: readonly HistoryLane[] = [];
  private events: EventLane | null = null;
  private inner: HistoryReader | null = null;
  private readonly dirty = new Set<HistoryLane | EventLane>();
  private trimmedMs = Number.NEGATIVE_INFINITY;

  constructor(home: HistoryHome) {
    this.home = home;
  }

  get writer(): string {
    return this.home.writer.toString('latin1');
  }

  async open(settings: HistorySettings): Promise<void> {
    const { home } = this;
    const { keys } = home;
    const { partitions } = settings;
    const lane = new TaskLane(home, HISTORY_TAG);
    const asked = [String(partitions), String(HISTORY_FORMAT)];
    const reply = await lane.run(agreeScript, [keys.historyMeta()], asked);
    const [agreed, format] = (reply as readonly unknown[]).map(Number);
    checkFormat(format!);
    if (agreed !== partitions) {
      const detail = `history_partitions is ${partitions} here, and ${agreed} for the history`;
      const remedy = `set history_partitions ${agreed} at every broker`;
      throw new BrokerError('HISTORY', `${detail} that Redis has: ${remedy}`);
    }
    this.lanes = Array.from(
      { length: partitions },
      (_, partition) => new HistoryLane(home, keys, partition, settings),
    );
    this.events = new EventLane(home, keys, settings.maxEvents);
    this.inner = new HistoryReader(home.reader, keys, partitions);
  }

  append(write: HistoryWrite): void {
    const lane = this.lanes[partitionOf(write.topic, this.lanes.length)]!;
    lane.add(write);
    this.dirty.add(lane);
  }

  addEvent(fields: PresenceFields, onDone: () => void): void {
    const lane = this.events!;
    lane.add(fields, onDone);
    this.dirty.add(lane);
  }

  flush(): void {
    if (this.dirty.size === 0) return;
    for (const lane of this.dirty) lane.pump();
    this.dirty.clear();
    this.home.cluster.flush();
  }

  async drained(): Promise<void> {
    this.flush();
    await Promise.all(this.lanes.map((lane) => lane.drained()));
  }

  tick(nowMs: number): void {
    if (nowMs - this.trimmedMs < TRIM_MS) return;
    this.trimmedMs = nowMs;
    for (const lane of this.lanes) lane.trim(nowMs);
  }

  cursor(query: HistoryQuery): HistoryCursor {
    return this.inner!.cursor(query);
  }

  last(query: HistoryQuery, count: number, scanMax: number): Promise<LastMessages> {
    return this.inner!.last(query, count, scanMax);
  }
}

/** @throws BrokerError `HISTORY` */
export function checkFormat(format: number): void {
  if (format === HISTORY_FORMAT) return;
  const detail = `the history in Redis has format ${format}; this broker knows`;
  throw new BrokerError('HISTORY', `${detail} format ${HISTORY_FORMAT}`);
}
