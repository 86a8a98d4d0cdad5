/**
 * Writes numbered messages to some sessions without a pause, each write as soon as the one before
 * is safe, and looks afterwards whether every one is there once and in order.
 */

import * as assert from 'uvu/assert';
import { emptyWrite } from '../../../src/store/answers.js';
import { type Store, WriteStatus } from '../../../src/store/store.js';
import { until } from '../../support/until.js';
import { batchOf, claimOf, messageOf, noLimits, StoreDriver } from '../support/driver.js';

/** Messages per write, in turn: packed and single ones. */
const PER_WRITE = [1, 1, 3];

interface Writing {
  readonly clientId: string;
  sent: number;
  acknowledged: number;
  writes: number;
}

export class Load {
  private readonly store: Store;
  private readonly sessions: Writing[];
  private isStopping = false;
  private inFlight = 0;
  private readonly problems: string[] = [];

  constructor(store: Store, clientIds: readonly string[]) {
    this.store = store;
    this.sessions = clientIds.map((clientId) => ({
      clientId,
      sent: 0,
      acknowledged: 0,
      writes: 0,
    }));
  }

  get acknowledged(): number {
    return this.sessions.reduce((sum, one) => sum + one.acknowledged, 0);
  }

  async start(): Promise<void> {
    const claims = this.sessions.map(({ clientId }) => this.store.claim(claimOf(clientId)));
    await Promise.all(claims);
    for (const session of this.sessions) this.send(session);
  }

  /** Resolves when so many more have been acknowledged, in every session. */
  async progress(messages: number, deadlineMs = 20_000): Promise<void> {
    const goals = this.sessions.map(({ acknowledged }) => acknowledged + messages);
    const isThere = () =>
      this.sessions.every(({ acknowledged }, index) => acknowledged >= goals[index]!);
    await until(`${messages} more acknowledged messages`, isThere, { deadlineMs });
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await until('the last outcome', () => this.inFlight === 0, { deadlineMs: 20_000 });
  }

  /** Everything that was written is there, once and in order; reads through `store`. */
  async check(store: Store = this.store): Promise<void> {
    assert.equal(this.problems, []);
    const driver = new StoreDriver(store);
    for (const { clientId, sent } of this.sessions) {
      const found = await driver.records(clientId, 1, 1_000_000);
      const wrong = found.findIndex(
        ({ record, seq }, index) => seq !== index + 1 || String(record) !== String(index + 1),
      );
      assert.is(wrong, -1, `${clientId}: message ${wrong + 1} is ${found[wrong]?.record}`);
      assert.is(found.length, sent, `${clientId} has all its messages`);
    }
  }

  private send(session: Writing): void {
    if (this.isStopping) return;
    const count = PER_WRITE[session.writes++ % PER_WRITE.length]!;
    const append = Array.from({ length: count }, () => messageOf(String(++session.sent)));
    this.inFlight++;
    const first = session.sent - count + 1;
    this.store.write(
      batchOf([
        {
          ...emptyWrite(session.clientId),
          append,
          limits: noLimits,
          onDone: ({ firstSeq, status, taken }) => {
            this.inFlight--;
            session.acknowledged += count;
            if (status !== WriteStatus.Done || taken !== null || firstSeq !== first) {
              this.problems.push(`${session.clientId} ${first}: ${status} ${firstSeq}`);
            }
            setImmediate(() => this.send(session));
          },
        },
      ]),
    );
  }
}

/** Client ids, some of them in each of many slots. */
export function clientIds(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `client ${index}`);
}
