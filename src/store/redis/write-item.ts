/** One `SessionWrite`, or the part of it that may go now, in its session's lane. Hot path. */
import { type Append, type SessionWrite, Taken, type WriteOutcome, WriteStatus } from '../store.js';
import type { Gate } from './gate.js';

/** Which part of a write an item is. */
export const Part = {
  Whole: 0,
  /** Only what is held; `gate` hears of it. */
  Held: 1,
  /** All but that; goes when `gate` is open. */
  Rest: 2,
} as const;
export type Part = (typeof Part)[keyof typeof Part];

/** Knows when a publisher's session began; 0: it is not connected here. */
export interface Births {
  birthOf(clientId: string): number;
}

export class WriteItem {
  readonly write: SessionWrite;
  readonly part: Part;
  readonly gate: Gate | null;
  /** Goes with the exact script: a limit is near. */
  isExact = false;
  /** What goes out of `write.append`. */
  append: readonly Append[];
  /** Bytes of it, about. */
  bytes = 0;
  /** When the sessions of those publishers began whose messages have marks. */
  births: Map<string, number> | null = null;
  /** Of a held part: the other one, which is refused with it. */
  rest: WriteItem | null = null;
  /** Null: it is not refused without asking. */
  refusedFor: WriteStatus | null = null;
  /** Of the rest of a write whose held part was stale: only its messages count. */
  isStale = false;
  private isFiltered = false;

  constructor(write: SessionWrite, part: Part, gate: Gate | null, home: Births) {
    this.write = write;
    this.part = part;
    this.gate = gate;
    this.append = part === Part.Held ? none : write.append;
    for (let index = 0; index < this.append.length; index++) {
      const { mark, record } = this.append[index]!;
      this.bytes += record.length + 8;
      if (mark === null) continue;
      // Now: by the time the call is made, the publisher may have begun a new session.
      this.births ??= new Map();
      this.births.set(mark.publisherId, home.birthOf(mark.publisherId));
    }
  }

  /** True when it has to wait. */
  get isHeldBack(): boolean {
    return this.part === Part.Rest && this.gate !== null && !this.gate.isOpen;
  }

  get canGo(): boolean {
    return !this.isHeldBack && this.refusedFor === null;
  }

  /** True when the append script can do it. */
  isPlain(): boolean {
    const { write } = this;
    if (this.isExact || this.part === Part.Held) return false;
    if (write.held.length > 0 && this.part === Part.Whole) return false;
    // Refused, and nothing else with it.
    if (write.epoch === 0 && (write.nextSeq > 0 || write.settled !== null)) return false;
    if (write.released.length > 0 || write.forgotten.length > 0) return false;
    if (write.subscribed.length > 0 || write.unsubscribed.length > 0) return false;
    if (write.disconnect !== null || write.dismissesWill || write.ends) return false;
    return this.births === null;
  }

  /** Leaves out messages that must not go: called when the gate is open. */
  filter(): void {
    const { gate } = this;
    if (gate === null || this.isFiltered) return;
    this.isFiltered = true;
    const left = this.append.filter(({ mark }) => !gate.isRefused(mark));
    if (left.length < this.append.length) this.append = left;
  }

  /** The outcome for all of `write.append`, from that of `append`. */
  outcome(
    firstSeq: number,
    taken: readonly Taken[] | null,
    dropped: readonly number[],
  ): WriteOutcome {
    const { append, write } = this;
    const status = this.isStale ? WriteStatus.Stale : WriteStatus.Done;
    if (append === write.append || this.part === Part.Held) {
      return { status, firstSeq, taken, dropped, lost: 0 };
    }
    let next = 0;
    const all = write.append.map((one) => {
      if (append[next] !== one) return Taken.Repeated;
      const fate = taken?.[next] ?? Taken.Yes;
      next++;
      return fate;
    });
    return { status, firstSeq, taken: all, dropped, lost: 0 };
  }
}

const none: readonly Append[] = [];
