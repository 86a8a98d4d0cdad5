/**
 * Reads the history: the streams that may have what is asked for, merged. Of a topic
 * without wildcards only one partition is read.
 */

import { hasWildcard } from '../../../protocol/topic.js';
import type {
  HistoryCursor,
  HistoryMessage,
  HistoryQuery,
  HistoryReading,
  LastMessages,
} from '../../history.js';
import { historyTag, type Keys } from '../keys.js';
import type { Reader } from '../reader.js';
import { slotOf } from '../slot.js';
import { ASK_MS } from '../tuning.js';
import type { StreamEntry } from './entry.js';
import { LAST_BYTES_MAX } from './limits.js';
import { StreamScan } from './stream-scan.js';
import { TopicFilter } from './topic-filter.js';

export function partitionOf(topic: string, partitions: number): number {
  return slotOf(topic) % partitions;
}

export class HistoryReader implements HistoryReading {
  private readonly reader: Reader;
  private readonly keys: Keys;
  private readonly partitions: number;

  constructor(reader: Reader, keys: Keys, partitions: number) {
    this.reader = reader;
    this.keys = keys;
    this.partitions = partitions;
  }

  cursor(query: HistoryQuery): HistoryCursor {
    const scans = this.scans(query, true);
    return { next: (bytesMax) => this.next(scans, bytesMax) };
  }

  async last(query: HistoryQuery, count: number, scanMax: number): Promise<LastMessages> {
    const scans = this.scans(query, false);
    const found: HistoryMessage[] = [];
    let scanned = 0;
    let bytes = 0;
    while (found.length < count) {
      const isCut = scanned >= scanMax || bytes >= LAST_BYTES_MAX;
      if (!isCut && scans.some((lane) => lane.some((scan) => scan.needsMore))) {
        scanned += await this.fill(scans);
        continue;
      }
      const best = choose(scans, false);
      if (best === null) break;
      const message = best.take();
      bytes += message.record.length;
      found.push(message);
    }
    const isWhole = found.length >= count || scans.flat().every((scan) => !scan.needsMore);
    return { messages: found.reverse(), scanned, isCut: !isWhole };
  }

  private async next(
    scans: readonly (readonly StreamScan[])[],
    bytesMax: number,
  ): Promise<readonly HistoryMessage[]> {
    const all = scans.flat();
    if (all.every(({ head, isAtEnd }) => head === null && isAtEnd)) {
      for (const scan of all) if (scan.canGrow) scan.isAtEnd = false;
    }
    const messages: HistoryMessage[] = [];
    for (let bytes = 0; bytes < bytesMax; ) {
      if (all.some((scan) => scan.needsMore)) {
        if (messages.length > 0) break;
        await this.fill(scans);
        continue;
      }
      const best = choose(scans, true);
      if (best === null) break;
      const message = best.take();
      bytes += message.record.length;
      messages.push(message);
    }
    return messages;
  }

  /** By partition, since the streams of one are asked together. */
  private scans(query: HistoryQuery, isForward: boolean): readonly (readonly StreamScan[])[] {
    const filter = new TopicFilter(query.filters);
    const isMatch = (topic: string): boolean => filter.matches(topic);
    return Array.from({ length: this.partitions }, (_, partition) =>
      this.isAsked(query, partition)
        ? ['0', '1', '2'].map((qos) => {
            const key = this.keys.history(partition, qos);
            return new StreamScan(key, query, isForward, isMatch);
          })
        : [],
    );
  }

  private isAsked({ filters }: HistoryQuery, partition: number): boolean {
    return filters.some(
      (filter) => hasWildcard(filter) || partitionOf(filter, this.partitions) === partition,
    );
  }

  /** Reads on in every stream of which nothing is at hand. @returns messages looked at */
  private async fill(scans: readonly (readonly StreamScan[])[]): Promise<number> {
    const counts = await Promise.all(
      scans.map(async (lane, partition) => {
        const empty = lane.filter((scan) => scan.needsMore);
        if (empty.length === 0) return 0;
        const questions = empty.map((scan) => scan.question());
        const slot = slotOf(historyTag(partition));
        const replies = await this.reader.ask(slot, questions, ASK_MS);
        let scanned = 0;
        for (const [index, scan] of empty.entries()) {
          scanned += scan.onAnswer(replies[index] as readonly StreamEntry[]);
        }
        return scanned;
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }
}

/**
 * The stream whose next message comes first, or last; null: there is none at hand. Of a partition,
 * and so of a topic, as the store took them; of different ones by the time of publishing.
 */
function choose(scans: readonly (readonly StreamScan[])[], isForward: boolean): StreamScan | null {
  const heads = scans.map((lane) => chooseIn(lane, wasTakenBefore, isForward));
  return chooseIn(heads, wasPublishedBefore, isForward);
}

function chooseIn(
  scans: readonly (StreamScan | null)[],
  isBefore: (one: HistoryMessage, other: HistoryMessage) => boolean,
  isForward: boolean,
): StreamScan | null {
  let best: StreamScan | null = null;
  for (const scan of scans) {
    if (scan === null || scan.head === null) continue;
    if (best === null || isBefore(scan.head, best.head!) === isForward) best = scan;
  }
  return best;
}

/** What came in one call is in the order of the broker's own count. */
function wasTakenBefore(one: HistoryMessage, other: HistoryMessage): boolean {
  if (one.takenMs !== other.takenMs) return one.takenMs < other.takenMs;
  if (one.takenSeq !== other.takenSeq) return one.takenSeq < other.takenSeq;
  return one.number < other.number;
}

function wasPublishedBefore(one: HistoryMessage, other: HistoryMessage): boolean {
  if (one.timeMs !== other.timeMs) return one.timeMs < other.timeMs;
  return one.writer === other.writer && one.number < other.number;
}
