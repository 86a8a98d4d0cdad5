/**
 * This broker's own retained messages of one shard, as long as others' of the same topic may be
 * older: it has them in memory as soon as they are published, but where they are in the shard's
 * log is only known afterwards.
 *
 *     none ──begin──▶ underway ──end──▶ written ──the log was followed up to there──▶ none
 *
 * While one is underway, another broker's is put aside; once its place is known, the later one
 * stays. So does what was later in Redis than ours: the core may have given it up for ours. Holds
 * one message at most for each topic with a write underway.
 */
interface OwnTopic {
  underway: number;
  /** Last entry of the log with a write of ours. */
  writtenAt: number;
  /** Another broker's, put aside; null: none. */
  late: { readonly entry: number; readonly record: Buffer | null } | null;
}

export class OwnRetained {
  /** Told of another message that is the later one after all. */
  onLate: (topic: string, record: Buffer | null) => void = () => undefined;
  private readonly topics = new Map<string, OwnTopic>();
  /** Topics that are done when the log was followed up to an entry, about ascending. */
  private written: { readonly topic: string; readonly entry: number }[] = [];
  private reached = 0;

  get size(): number {
    return this.topics.size;
  }

  begin(topic: string): void {
    const own = this.topics.get(topic);
    if (own === undefined) this.topics.set(topic, { underway: 1, writtenAt: 0, late: null });
    else own.underway++;
  }

  /**
   * @param entry where in the log
   * @param stays what was later than ours, as of that entry; undefined: ours was written
   */
  end(topic: string, entry: number, stays?: Buffer | null): void {
    const own = this.topics.get(topic);
    if (own === undefined) return;
    own.underway--;
    own.writtenAt = Math.max(own.writtenAt, entry);
    if (stays !== undefined && (own.late === null || own.late.entry <= entry)) {
      own.late = { entry, record: stays === null ? null : Buffer.from(stays) };
    }
    if (own.underway > 0) return;
    const { late } = own;
    own.late = null;
    if (own.writtenAt <= this.reached) this.topics.delete(topic);
    else this.written.push({ topic, entry: own.writtenAt });
    if (late !== null && late.entry >= own.writtenAt) this.onLate(topic, late.record);
  }

  /** Another broker's message: true when it counts. */
  accepts(topic: string, record: Buffer | null, entry: number): boolean {
    const own = this.topics.get(topic);
    if (own === undefined) return true;
    if (own.underway > 0) {
      own.late = { entry, record: record === null ? null : Buffer.from(record) };
      return false;
    }
    return entry > own.writtenAt;
  }

  /** The log was followed up to this entry. */
  reach(entry: number): void {
    this.reached = entry;
    let count = 0;
    while (count < this.written.length && this.written[count]!.entry <= entry) {
      const { topic } = this.written[count++]!;
      const own = this.topics.get(topic);
      if (own !== undefined && own.underway === 0 && own.writtenAt <= entry) {
        this.topics.delete(topic);
      }
    }
    if (count > 0) this.written.splice(0, count);
  }

  /** The shard is loaded anew: from here on, `end` and `reach` may be of another log. */
  restart(): void {
    this.written = [];
    this.reached = 0;
    for (const [topic, own] of this.topics) {
      if (own.underway === 0) this.topics.delete(topic);
      else own.writtenAt = 0;
    }
  }
}
