/**
 * A memory store whose answers the test controls. What is held back has not happened: a crash
 * loses it, as it would lose what a real store has not made safe.
 *
 *     core ──call──▶ waiting (held back, or away) ──release──▶ MemoryStore ──answer──▶ core
 */
import type { Clock } from '../../../../src/base/clock.js';
import { BrokerError } from '../../../../src/base/errors.js';
import { MemoryStore } from '../../../../src/store/memory/memory-store.js';
import {
  type Batch,
  type Claim,
  type ClaimRequest,
  type QueueRead,
  type SessionWrite,
  type Store,
  type StoreFigures,
  type StoreLoader,
  Taken,
  type WriteOutcome,
  WriteStatus,
} from '../../../../src/store/store.js';

/** What survives a crash of the broker. */
export interface Medium {
  readonly inner: MemoryStore;
  /** `clientId publisherId number` of what a session has taken. */
  readonly marks: Set<string>;
}

export interface StoreHabits {
  /**
   * As `Claim` has it. False: a batch happens in parts, as in Redis; repeats are routed again, and
   * marks tell them.
   */
  readonly isHeldRouted?: boolean;
  /** Reads and claims see what is held back: a store need not hide what is not safe yet. */
  readonly appliesEarly?: boolean;
}

export class ControlledStore implements Store {
  readonly kind: Store['kind'];
  readonly isAtomic: boolean;
  readonly fabric = null;
  readonly history = null;
  readonly medium: Medium;
  /** Goes up with everything that happens. */
  activity = 0;
  isHolding = false;
  holdsReads = false;
  readonly writes: SessionWrite[] = [];
  reads = 0;
  claims: ClaimRequest[] = [];
  /** For the next writes: what a store says of a session that is somebody else's, or gone. */
  refusal: WriteStatus | null = null;
  private isDead = false;
  private isGone = false;
  private waiting: (() => void)[] = [];
  private waitingReads: (() => void)[] = [];
  private readonly clock: Clock;
  private readonly habits: StoreHabits;

  constructor(clock: Clock, habits: StoreHabits = {}, medium: Medium | null = null) {
    this.clock = clock;
    this.habits = habits;
    this.isAtomic = habits.isHeldRouted !== false;
    this.kind = this.isAtomic ? 'memory' : 'redis';
    this.medium = medium ?? { inner: new MemoryStore({ clock }), marks: new Set() };
  }

  /** Only brokers that share a store are told. */
  leave(): void {}

  /** Calls that have not happened. */
  get pending(): number {
    return this.waiting.length;
  }

  /** Nothing that is held back, or still to be called, ever happens. */
  die(): void {
    this.isDead = true;
  }

  goAway(): void {
    this.isGone = true;
  }

  comeBack(): void {
    this.isGone = false;
    if (!this.isHolding) this.release();
  }

  /** Lets the oldest calls happen, and goes on holding back. */
  release(count = Number.POSITIVE_INFINITY): void {
    for (let done = 0; done < count; done++) {
      const call = this.waiting.shift();
      if (call === undefined) return;
      call();
    }
  }

  /** Lets everything happen from now on. */
  flow(): void {
    this.isHolding = false;
    this.release();
  }

  releaseReads(): void {
    this.holdsReads = false;
    for (const read of this.waitingReads.splice(0)) read();
  }

  async open(loader: StoreLoader): Promise<void> {
    await this.medium.inner.open(loader);
  }

  wallMs(): number {
    return this.clock.wallMs();
  }

  async claim(request: ClaimRequest): Promise<Claim> {
    this.claims.push(request);
    if (this.isGone) throw away();
    const claim = await this.later(() => this.medium.inner.claim(request));
    const { isHeldRouted = true } = this.habits;
    return { ...claim, isHeldRouted };
  }

  write(batch: Batch): void {
    this.writes.push(...batch.sessions);
    for (const part of this.partsOf(batch)) this.writePart(part);
  }

  async read(clientId: string, fromSeq: number, bytesMax: number): Promise<QueueRead> {
    this.reads++;
    if (this.isGone) throw away();
    const { inner } = this.medium;
    if (this.holdsReads) {
      await new Promise<void>((resolve) => this.waitingReads.push(resolve));
    }
    if (this.isGone) throw away();
    const read = await inner.read(clientId, fromSeq, bytesMax);
    this.activity++;
    return this.isDead ? new Promise(() => undefined) : read;
  }

  figures(): StoreFigures {
    return this.medium.inner.figures();
  }

  async close(): Promise<void> {
    await this.later(() => this.medium.inner.close());
  }

  /** What happens as a whole: without `isHeldRouted`, only each write of a session does. */
  private partsOf({ sessions, retained }: Batch): Batch[] {
    if (this.habits.isHeldRouted !== false) return [{ sessions, retained }];
    const hasHeld = ({ held }: SessionWrite): boolean => held.length > 0;
    const ordered = [...sessions.filter(hasHeld), ...sessions.filter((write) => !hasHeld(write))];
    const parts: Batch[] = ordered.map((write) => ({ sessions: [write], retained: [] }));
    return [...parts, { sessions: [], retained }];
  }

  private writePart({ sessions, retained }: Batch): void {
    const { refusal } = this;
    const said: (() => void)[] = [];
    const apply = (answer: (say: () => void) => void): void => {
      for (const write of sessions) this.apply(write, refusal, answer);
      for (const one of retained) {
        const onDone = (): void => answer(() => this.say(one.onDone));
        this.medium.inner.write({ sessions: [], retained: [{ ...one, onDone }] });
      }
    };
    if (!this.habits.appliesEarly) {
      this.enqueue(() => apply((say) => say()));
      return;
    }
    let isReleased = false;
    apply((say) => (isReleased ? say() : said.push(say)));
    this.enqueue(() => {
      isReleased = true;
      for (const say of said) say();
    });
  }

  private later<Result>(call: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve) => {
      this.enqueue(() => {
        void call().then((result) => this.say(() => resolve(result)));
      });
    });
  }

  private enqueue(call: () => void): void {
    this.activity++;
    if (this.isDead) return;
    const mustWait = this.isHolding || this.isGone || this.waiting.length > 0;
    if (mustWait) this.waiting.push(() => (this.isDead ? undefined : call()));
    else call();
  }

  private say(what: () => void): void {
    this.activity++;
    if (!this.isDead) what();
  }

  private apply(
    write: SessionWrite,
    refusal: WriteStatus | null,
    answer: (say: () => void) => void,
  ): void {
    const { inner } = this.medium;
    const isNew = write.append.map(({ mark }) => this.isNew(write.clientId, mark));
    const append = write.append.filter((_, index) => isNew[index]);
    const onDone = (outcome: WriteOutcome): void =>
      answer(() => this.say(() => write.onDone(withRepeats(outcome, isNew))));
    if (refusal !== null) {
      const { Gone, Stale } = WriteStatus;
      const clientId = refusal === Gone ? `${write.clientId} of nobody` : write.clientId;
      const epoch = refusal === Stale ? -1 : write.epoch;
      inner.write({ sessions: [{ ...ownOf(write), clientId, epoch, onDone }], retained: [] });
      return;
    }
    inner.write({ sessions: [{ ...ownOf(write), append, onDone }], retained: [] });
  }

  private isNew(clientId: string, mark: SessionWrite['append'][number]['mark']): boolean {
    if (mark === null || this.habits.isHeldRouted !== false) return true;
    const key = `${clientId} ${mark.publisherId} ${mark.number}`;
    if (this.medium.marks.has(key)) return false;
    this.medium.marks.add(key);
    return true;
  }
}

function withRepeats(outcome: WriteOutcome, isNew: readonly boolean[]): WriteOutcome {
  if (isNew.every((one) => one)) return outcome;
  let index = 0;
  const taken = isNew.map((one) => {
    if (!one) return Taken.Repeated;
    const fate = outcome.taken?.[index] ?? Taken.Yes;
    index++;
    return fate;
  });
  return { ...outcome, taken };
}

/** A draft has its fields where a spread finds them, and changes no more. */
function ownOf(write: SessionWrite): SessionWrite {
  const { clientId, epoch, append, limits, nextSeq, settled, released, held, forgotten } = write;
  const { subscribed, unsubscribed, disconnect, dismissesWill, ends, onDone } = write;
  return {
    clientId,
    epoch,
    append,
    limits,
    nextSeq,
    settled,
    released,
    held,
    forgotten,
    subscribed,
    unsubscribed,
    disconnect,
    dismissesWill,
    ends,
    onDone,
  };
}

function away(): BrokerError {
  return new BrokerError('STORE_AWAY', 'the store does not answer');
}
