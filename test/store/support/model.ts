/**
 * Model test: random commands go to two stores, one of which is the model of the other, and every
 * answer is compared: outcomes, claims, reads, what is loaded after a restart, and the order in
 * which it all comes. Commands come in bursts: those of one are given without waiting in between.
 */

import type { FakeClock } from '../../../src/base/clock.js';
import { emptyWrite } from '../../../src/store/answers.js';
import type { Claim, Store, WriteOutcome } from '../../../src/store/store.js';
import { within } from '../../support/until.js';
import type { StoreHarness } from './contract.js';
import { claimOf, messageOf, type PartialWrite } from './driver.js';
import { type Command, commands, type WriteCommand } from './model-commands.js';
import { type TimedCheck, timedCheck } from './timed-check.js';

export interface ModelOptions extends TimedCheck {
  readonly create: (clock: FakeClock) => Promise<StoreHarness>;
  readonly createModel: (clock: FakeClock) => Promise<StoreHarness>;
  readonly newClock: () => FakeClock;
}

/** Fails with the commands, shrunk, and the seed that finds them again. */
export async function checkAgainstModel(options: ModelOptions): Promise<void> {
  await timedCheck(commands, options, async (bursts) => {
    const clock = options.newClock();
    const real = new Player(await options.create(clock));
    const model = new Player(await options.createModel(clock));
    try {
      for (const burst of bursts) await playBurst(burst, real, model, clock);
      same('in the end', await real.everything(), await model.everything());
    } finally {
      await real.harness.dispose();
      await model.harness.dispose();
    }
  });
}

async function playBurst(
  burst: readonly Command[],
  real: Player,
  model: Player,
  clock: FakeClock,
): Promise<void> {
  const answers: [string[], string[]] = [[], []];
  for (const command of burst) {
    if (command.kind === 'advance') {
      clock.advance(command.ms);
    } else if (command.kind === 'restart') {
      await Promise.all([real.settled(), model.settled()]);
      await real.harness.restart(command.how);
      await model.harness.restart(command.how);
      same('loaded', real.loaded(), model.loaded());
    } else {
      real.play(command, answers[0]);
      model.play(command, answers[1]);
    }
  }
  await Promise.all([real.settled(), model.settled()]);
  same('answers', answers[0], answers[1]);
  const clientIds = new Set(burst.flatMap((command) => clientIdsOf(command)));
  for (const clientId of clientIds) {
    same('queue', await real.queue(clientId), await model.queue(clientId));
  }
}

/** Fails with the first line that differs. */
function same(what: string, real: readonly string[], model: readonly string[]): void {
  for (let index = 0; index < Math.max(real.length, model.length); index++) {
    if (real[index] === model[index]) continue;
    throw new Error(`${what}: the store says ${real[index]}, its model ${model[index]}`);
  }
}

/** Plays commands on one store; epochs and numbers are its own. */
class Player {
  readonly harness: StoreHarness;
  private readonly epochs = new Map<string, number[]>();
  private readonly ends = new Map<string, number>();
  private readonly pending = new Set<Promise<unknown>>();

  constructor(harness: StoreHarness) {
    this.harness = harness;
  }

  play(command: Command, answers: string[]): void {
    const { store } = this.harness;
    switch (command.kind) {
      case 'claim':
        this.await(
          store.claim(claimOf(command.clientId, command.request)).then((claim) => {
            this.onClaim(command.clientId, claim);
            answers.push(`claim ${textOfClaim(claim)}`);
          }),
        );
        break;
      case 'write':
        this.write(store, command.writes, answers);
        break;
      case 'retain':
        this.retain(store, command.topic, command.record, answers);
        break;
      default:
        throw new Error('played by playBurst');
    }
  }

  settled(): Promise<unknown> {
    return within('all answers', Promise.all(this.pending));
  }

  loaded(): string[] {
    const { sessions, subscriptions, retained } = this.harness.loaded;
    const byClient = [...sessions.values()].map((session) => ({
      ...session,
      epoch: session.epoch > 0,
      info: String(session.info),
      will: session.will === null ? null : String(session.will),
      willAtMs: session.will === null ? null : session.willAtMs,
      subscriptions: sorted(subscriptions.get(session.clientId) ?? []),
    }));
    return sorted([...byClient, ...retained].map(textOf));
  }

  async queue(clientId: string): Promise<string[]> {
    const found: string[] = [];
    for (let from = 1, bytesMax = 1; ; bytesMax *= 3) {
      const reading = this.harness.store.read(clientId, from, bytesMax);
      const { lapsed, records, nextSeq } = await within('a read', reading);
      for (const { seq, record } of records) found.push(`${seq}:${shortened(record)}`);
      found.push(`→${nextSeq} ${lapsed}`);
      if (records.length === 0) return found;
      from = nextSeq;
    }
  }

  /** All queues, all claims, and all that is loaded after one more restart. */
  async everything(): Promise<string[]> {
    const clientIds = [...this.epochs.keys()].sort();
    const found: string[] = [];
    for (const clientId of clientIds) found.push(...(await this.queue(clientId)));
    await this.harness.restart('close');
    found.push(...this.loaded());
    for (const clientId of clientIds) {
      found.push(textOfClaim(await this.harness.store.claim(claimOf(clientId))));
      found.push(...(await this.queue(clientId)));
    }
    return found;
  }

  private write(store: Store, writes: readonly WriteCommand[], answers: string[]): void {
    const sessions = writes.map((command) => {
      const { clientId } = command;
      const write = this.resolve(command);
      return new Promise<WriteOutcome>((onDone) => {
        this.batch.push({ ...emptyWrite(clientId), ...write, onDone });
      }).then((outcome) => {
        this.onOutcome(clientId, outcome, command.append.length);
        answers.push(`${clientId} ${textOf(outcome)}`);
      });
    });
    for (const done of sessions) this.await(done);
    store.write({ sessions: this.batch.splice(0), retained: [] });
  }

  private readonly batch: Parameters<Store['write']>[0]['sessions'][number][] = [];

  private retain(store: Store, topic: string, record: string | null, answers: string[]): void {
    const bytes = record === null ? null : Buffer.from(record);
    const done = new Promise<void>((onDone) => {
      const retained = [{ topic, record: bytes, onlyExpired: false, onDone }];
      store.write({ sessions: [], retained });
    });
    this.await(done.then(() => answers.push(`retained ${topic}`)));
  }

  /** The write with this store's epoch, and numbers around the end of the queue. */
  private resolve(command: WriteCommand): PartialWrite {
    const { clientId, by, settled, sentBack, append, released, ...rest } = command;
    const epochs = this.epochs.get(clientId) ?? [];
    const end = this.ends.get(clientId) ?? 1;
    const seq = (back: number) => Math.max(1, end - back);
    const ascending = (backs: readonly number[]) => backs.map(seq).sort((a, b) => a - b);
    const epochOf = { owner: epochs.at(-1) ?? 0, before: epochs.at(-2) ?? 0, nobody: 0 };
    return {
      ...rest,
      epoch: epochOf[by],
      append: append.map((text) => messageOf(typeof text === 'string' ? text : 'x'.repeat(text))),
      nextSeq: sentBack === null ? 0 : seq(sentBack),
      settled: settled && { firstSeq: seq(settled.back), done: ascending(settled.doneBack) },
      released: released.map(seq),
    };
  }

  private onClaim(clientId: string, claim: Claim): void {
    this.epochs.set(clientId, [...(this.epochs.get(clientId) ?? []), claim.epoch]);
    this.ends.set(clientId, claim.endSeq);
  }

  private onOutcome(clientId: string, { status, firstSeq }: WriteOutcome, count: number): void {
    if (status === 0) this.ends.set(clientId, firstSeq + count);
  }

  private await(done: Promise<unknown>): void {
    this.pending.add(done);
    done.then(
      () => this.pending.delete(done),
      () => undefined,
    );
  }
}

/** One text per value: how an object was made does not count. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (part === Infinity ? 'never' : part));
}

/** Without the epoch itself, which is each store's own. */
function textOfClaim(claim: Claim): string {
  return textOf({ ...claim, epoch: claim.epoch > 0 });
}

/** Long ones are all of one letter. */
function shortened(record: Buffer): string {
  const text = record.toString('latin1');
  return text.length < 100 ? text : `${text[0]}×${text.length}`;
}

function clientIdsOf(command: Command): string[] {
  if (command.kind === 'claim') return [command.clientId];
  return command.kind === 'write' ? command.writes.map(({ clientId }) => clientId) : [];
}

function sorted<T>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1));
}
