/** A history in memory, for brokers of tests. */
import type { Fabric } from '../../src/store/fabric.js';
import type {
  HistoryCursor,
  HistoryLog,
  HistoryMessage,
  HistoryQuery,
  HistoryWrite,
  LastMessages,
  PresenceFields,
} from '../../src/store/history.js';
import { decodeRecord } from '../../src/store/record.js';

/** Keeps all in memory; writes are over when the test says so. */
export class FakeLog implements HistoryLog {
  readonly writer = 'writer01';
  readonly writes: HistoryWrite[] = [];
  readonly events: PresenceFields[] = [];
  isHolding = false;
  flushes = 0;
  private held: (() => void)[] = [];

  async open(): Promise<void> {}

  append(write: HistoryWrite): void {
    this.writes.push(write);
    this.finish(write.onDone);
  }

  addEvent(fields: PresenceFields, onDone: () => void): void {
    this.events.push(fields);
    this.finish(onDone);
  }

  flush(): void {
    this.flushes++;
  }

  async drained(): Promise<void> {}

  tick(): void {}

  cursor(query: HistoryQuery): HistoryCursor {
    let left = this.matching(query);
    return {
      next: async () => {
        const messages = left;
        left = [];
        return messages;
      },
    };
  }

  async last(query: HistoryQuery, count: number): Promise<LastMessages> {
    const messages = this.matching(query).slice(-count);
    return { messages, scanned: this.writes.length, isCut: false };
  }

  release(): void {
    this.isHolding = false;
    for (const onDone of this.held.splice(0)) onDone();
  }

  get shown(): string[] {
    return this.writes.map(({ record }) => {
      const { payload, publisherId, qos, retain, topic } = decodeRecord(record);
      return `${topic} ${String(payload)} ${qos}${retain ? ' retained' : ''} by ${publisherId}`;
    });
  }

  private finish(onDone: () => void): void {
    if (this.isHolding) this.held.push(onDone);
    else setImmediate(onDone);
  }

  private matching({ filters, isWanted, sinceMs, untilMs }: HistoryQuery): HistoryMessage[] {
    const { writer } = this;
    return this.writes
      .filter(({ timeMs, topic }) => timeMs >= sinceMs && timeMs <= untilMs && filters[0] === topic)
      .map((write) => ({ ...write, writer, takenMs: write.timeMs, takenSeq: 0 }))
      .filter(isWanted);
  }
}

/** Of a broker that is sure to be a member. */
export function fabricOf(node: string, ...peers: string[]): Fabric {
  const freshUntilMs = Number.POSITIVE_INFINITY;
  return { node, peers: new Set(peers), freshUntilMs } as unknown as Fabric;
}

export const noFabric = fabricOf('n~1');
