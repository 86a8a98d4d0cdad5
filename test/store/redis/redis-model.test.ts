// slow
/**
 * The Redis store does what the plain model does, over restarts and crashes. As in the other
 * stores' model tests, but for what Redis does in its own way: answers of different sessions come
 * in any order, numbers of QoS 2 messages are checked by marks, and time is Redis'.
 */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../src/base/clock.js';
import { emptyWrite } from '../../../src/store/answers.js';
import {
  type Claim,
  type SessionWrite,
  Taken,
  type WriteOutcome,
  WriteStatus,
} from '../../../src/store/store.js';
import { redisFor } from '../../support/redis-for.js';
import { within } from '../../support/until.js';
import type { StoreHarness } from '../support/contract.js';
import { claimOf, messageOf } from '../support/driver.js';
import { type Command, commands, type WriteCommand } from '../support/model-commands.js';
import { createPlainHarness } from '../support/plain-harness.js';
import { timedCheck } from '../support/timed-check.js';
import { CuttingProxy } from './cutting-proxy.js';
import { createRedisHarness } from './harness.js';

/** By Redis' clock, any other deadline of the commands is over. */
const LATER_MS = 4_102_444_800_000;

const test = suite('redis store and its model');
const redis = redisFor(test);

test('random commands have the same answers', () => check(redis.server.port, () => undefined));

test('and so they have when connections are cut before the replies come', async () => {
  const proxy = await CuttingProxy.start(redis.server.port);
  try {
    await check(proxy.port, () => proxy.arm('reply'));
    assert.ok(proxy.cuts > 0);
  } finally {
    await proxy.stop();
  }
});

async function check(port: number, beforeBurst: () => void): Promise<void> {
  const limits = {
    runs: Number(process.env.REDIS_MODEL_RUNS ?? 1_000),
    timeLimitMs: Number(process.env.REDIS_MODEL_MS ?? 20_000),
  };
  await timedCheck(commands, limits, async (bursts) => {
    const real = new Player(await createRedisHarness([['127.0.0.1', port]]));
    const model = new Player(await createPlainHarness(new FakeClock()));
    try {
      for (const burst of bursts) {
        beforeBurst();
        await playBurst(burst, real, model);
      }
      await playBurst([{ kind: 'restart', how: 'crash' }], real, model);
    } finally {
      await real.harness.dispose();
      await model.harness.dispose();
    }
  });
}

async function playBurst(burst: readonly Command[], real: Player, model: Player): Promise<void> {
  for (const command of burst) {
    if (command.kind === 'restart') {
      await Promise.all([real.settled(), model.settled()]);
      await real.restart(command.how);
      await model.restart(command.how);
      same('loaded', real.loaded(), model.loaded());
    } else if (command.kind !== 'advance') {
      real.play(command);
      model.play(command);
    }
  }
  await Promise.all([real.settled(), model.settled()]);
  same('answers', real.takeAnswers(), model.takeAnswers());
  for (const clientId of ['a', 'b', '{c}']) {
    same('queue', await real.queue(clientId), await model.queue(clientId));
  }
}

function same(what: string, real: readonly string[], model: readonly string[]): void {
  for (let index = 0; index < Math.max(real.length, model.length); index++) {
    if (real[index] === model[index]) continue;
    throw new Error(`${what}: Redis says ${real[index]}, the model ${model[index]}`);
  }
}

class Player {
  readonly harness: StoreHarness;
  private readonly epochs = new Map<string, number[]>();
  private readonly ends = new Map<string, number>();
  private readonly done = new Map<string, Set<number>>();
  private answers = new Map<string, string[]>();
  private pending: Promise<void>[] = [];

  constructor(harness: StoreHarness) {
    this.harness = harness;
  }

  play(command: Command): void {
    const { store } = this.harness;
    if (command.kind === 'claim') {
      const { clientId } = command;
      // One that is over finds nothing here: somebody has to say so when a whole cluster was down.
      const expiryInterval = command.request.expiryInterval || 60;
      const claiming = store.claim(claimOf(clientId, { ...command.request, expiryInterval }));
      this.await(
        clientId,
        claiming.then((claim) => this.onClaim(clientId, claim)),
      );
    } else if (command.kind === 'write') {
      const sessions = command.writes.map((write) => this.prepare(write));
      store.write({ sessions, retained: [] });
    } else if (command.kind === 'retain') {
      const { record, topic } = command;
      const bytes = record === null ? null : Buffer.from(record);
      const done = new Promise<string>((resolve) => {
        const onDone = () => resolve('retained');
        store.write({
          sessions: [],
          retained: [{ topic, record: bytes, onlyExpired: false, onDone }],
        });
      });
      this.await(topic, done);
    }
  }

  /** A session that was connected has another epoch then: its owner is dead. */
  async restart(how: 'close' | 'crash'): Promise<void> {
    await this.harness.restart(how);
    for (const { clientId, epoch } of this.harness.loaded.sessions.values()) {
      const before = (this.epochs.get(clientId) ?? []).slice(0, -1);
      this.epochs.set(clientId, [...before, epoch]);
    }
  }

  async settled(): Promise<void> {
    const { pending } = this;
    this.pending = [];
    await within('all answers', Promise.all(pending));
  }

  /** By session, each in the order of the commands. */
  takeAnswers(): string[] {
    const names = [...this.answers.keys()].sort();
    const found = names.flatMap((name) => this.answers.get(name)!.map((one) => `${name}: ${one}`));
    this.answers = new Map();
    return found;
  }

  loaded(): string[] {
    const { retained, sessions, subscriptions } = this.harness.loaded;
    const ofSessions = [...sessions.values()].map(
      ({ clientId, expiresAtMs, info, will, willAtMs }) =>
        textOf({
          clientId,
          info: String(info),
          will: will === null ? null : String(will),
          // Deadlines of those that were connected begin now, by a clock of its own.
          expiresAtMs: expiresAtMs === LATER_MS ? expiresAtMs : Number.isFinite(expiresAtMs),
          willAtMs: will === null ? null : Number.isFinite(willAtMs),
          subscriptions: (subscriptions.get(clientId) ?? []).map(textOf).sort(),
        }),
    );
    return [...ofSessions, ...[...retained].map(textOf)].sort();
  }

  async queue(clientId: string): Promise<string[]> {
    const found: string[] = [];
    for (let from = 1, bytesMax = 1; ; bytesMax *= 3) {
      const { nextSeq, records } = await this.harness.store.read(clientId, from, bytesMax);
      for (const { record, seq } of records)
        found.push(`${seq}:${record.toString('latin1', 0, 99)}`);
      if (records.length === 0) return [...found, `→${nextSeq}`];
      from = nextSeq;
    }
  }

  private prepare(command: WriteCommand): SessionWrite {
    const { append, by, clientId, disconnect, released, sentBack, settled, ...rest } = command;
    const epochs = this.epochs.get(clientId) ?? [];
    const end = this.ends.get(clientId) ?? 1;
    const seq = (back: number) => Math.max(1, end - back);
    const epochOf = { owner: epochs.at(-1) ?? 0, before: epochs.at(-2) ?? 0, nobody: 0 };
    let onDone: SessionWrite['onDone'] = () => undefined;
    const outcome = new Promise<WriteOutcome>((resolve) => {
      onDone = resolve;
    });
    this.await(
      clientId,
      outcome.then((one) => {
        const count = one.taken?.filter((fate) => fate === Taken.Yes).length ?? append.length;
        if (one.status === 0) this.ends.set(clientId, one.firstSeq + count);
        // Whether it was there is not known when the first answer was lost.
        if (command.ends && one.status !== WriteStatus.Stale) return 'not there any more';
        return textOf(one);
      }),
    );
    return {
      ...emptyWrite(clientId),
      ...rest,
      epoch: epochOf[by],
      append: append.map((text) => messageOf(typeof text === 'string' ? text : 'x'.repeat(text))),
      nextSeq: sentBack === null ? 0 : Math.min(end, seq(sentBack)),
      settled:
        settled && by === 'owner'
          ? this.settle(clientId, seq(settled.back), settled.doneBack.map(seq))
          : null,
      released: released.map(seq),
      disconnect: disconnect && { ...disconnect, expiresAtMs: later(disconnect.expiresAtMs) },
      onDone,
    };
  }

  /** An owner never takes back what it has acknowledged, and knows nothing above the end. */
  private settle(
    clientId: string,
    firstSeq: number,
    done: readonly number[],
  ): SessionWrite['settled'] {
    const all = this.done.get(clientId) ?? new Set();
    const end = this.ends.get(clientId) ?? 1;
    for (const seq of done) if (seq < end) all.add(seq);
    this.done.set(clientId, all);
    const left = [...all].filter((seq) => seq >= firstSeq).sort((a, b) => a - b);
    return { firstSeq: Math.min(firstSeq, end), done: left };
  }

  private onClaim(clientId: string, claim: Claim): string {
    this.epochs.set(clientId, [...(this.epochs.get(clientId) ?? []), claim.epoch]);
    this.ends.set(clientId, claim.endSeq);
    if (!claim.isPresent) this.done.delete(clientId);
    const subscriptions = claim.subscriptions.map(textOf).sort();
    const held = [...claim.held].sort((a, b) => a.packetId - b.packetId);
    return textOf({
      ...claim,
      epoch: claim.epoch > 0,
      held,
      isHeldRouted: null,
      // Of brokers that were killed: the model has but one life.
      lastWill: null,
      subscriptions,
    });
  }

  private await(name: string, answer: Promise<string>): void {
    this.pending.push(
      answer.then((text) => {
        this.answers.set(name, [...(this.answers.get(name) ?? []), text]);
      }),
    );
  }
}

function later(ms: number): number {
  return Number.isFinite(ms) ? LATER_MS : ms;
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (part === Infinity ? 'never' : part));
}

test.run();
