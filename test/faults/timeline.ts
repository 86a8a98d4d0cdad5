/** What was done when: for the count of the faults, and for whoever looks for a finding's cause. */
import type { Anomaly } from './ledger.js';

/** Faults so near to a finding may be its cause. */
const nearMs = 3_000;

export class Timeline<Kind extends string> {
  readonly injected = new Map<Kind, number>();
  private readonly entries: { readonly what: string; readonly atMs: number }[] = [];

  /** Faults so far. */
  get length(): number {
    return this.entries.length;
  }

  get lines(): string[] {
    return this.entries.map(({ what, atMs }) => `${atMs.toFixed(0)} ${what}`);
  }

  /** @param what what else is to be said of it */
  note(kind: Kind, atMs: number, count: number, what = ''): void {
    this.injected.set(kind, (this.injected.get(kind) ?? 0) + count);
    this.remark(`${kind}${what}`, atMs);
  }

  /** What is no fault, but good to know: the end of one. */
  remark(what: string, atMs: number): void {
    this.entries.push({ what, atMs });
  }

  describe({ kind, reader, stream, number, atMs }: Anomaly): string {
    const near = this.entries
      .filter((entry) => Math.abs(entry.atMs - atMs) < nearMs)
      .map(({ what, atMs: at }) => `${what} at ${at.toFixed(0)}`);
    const which =
      stream === null ? 'no stream' : `${stream.publisher} ${stream.topic} QoS ${stream.qos}`;
    const when = `at ${atMs.toFixed(0)} ms (${near.join(', ')})`;
    return `${kind}: ${reader}, ${which}, message ${number} ${when}`;
  }
}
