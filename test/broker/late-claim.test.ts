/** A transient client that was let in while the store was away is claimed when it is back. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerError } from '../../src/base/errors.js';
import type { Connection } from '../../src/broker/connection.js';
import type { Retry } from '../../src/broker/journal.js';
import { LateClaim } from '../../src/broker/late-claim.js';
import { CLAIM_LATE, type ClaimRequest } from '../../src/store/store.js';

const test = suite('late claim');
const lastWill = { info: Buffer.from('i'), will: Buffer.from('w') };

function setUp() {
  const heard: string[] = [];
  const retries: Retry[] = [];
  const answers: (unknown | Error)[] = [];
  let willsOut: Promise<void> | null = null;
  const connection = { isClosed: false, will: { isUnknown: true } };
  const claim = async (_: unknown, claimant: { isWaiting(): boolean }): Promise<unknown> => {
    await Promise.resolve();
    if (!claimant.isWaiting()) return null;
    heard.push('claim');
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const core = {
    journal: { retryLater: (what: Retry) => retries.push(what) },
    sessions: { claims: { claim }, wills: { whenOut: () => willsOut } },
    peers: {
      publishLastWill: () => heard.push('last will'),
      leave: (clientId: string) => heard.push(`leave ${clientId}`),
    },
    turn: { begin: () => undefined },
  };
  const request = { clientId: 'one' } as ClaimRequest;
  const late = new LateClaim({ ...connection, core } as unknown as Connection, request);
  const seen = (late as unknown as { connection: typeof connection }).connection;
  const rest = async (): Promise<void> => {
    for (let round = 0; round < 10; round++) await Promise.resolve();
  };
  const holdWills = (): void => {
    willsOut = new Promise(() => undefined);
  };
  return { answers, connection: seen, heard, holdWills, late, rest, retries };
}

const away = new BrokerError('STORE_AWAY', 'away');

test('it is asked again until the store answers; then others know its will', async () => {
  const { answers, connection, heard, late, rest, retries } = setUp();
  late.onFailed(away);
  assert.is(retries.length, 1);
  answers.push(away, { lastWill });
  retries[0]!.retry();
  await rest();
  assert.is(retries.length, 2);
  assert.ok(connection.will.isUnknown);
  retries[1]!.retry();
  await rest();
  assert.equal(heard, ['claim', 'claim', 'last will']);
  assert.not.ok(connection.will.isUnknown);
  assert.is(retries.length, 2);
});

test('a claim that the store will make by itself is not made twice', () => {
  const { late, retries } = setUp();
  late.onFailed(new BrokerError(CLAIM_LATE, 'no answer'));
  assert.ok(late.isUnderway);
  assert.is(retries.length, 0);
});

test('nobody asks for a client that has left', async () => {
  const { connection, heard, late, rest, retries } = setUp();
  late.onFailed(away);
  connection.isClosed = true;
  retries[0]!.retry();
  await rest();
  late.onFailed(away);
  assert.equal(heard, []);
  assert.is(retries.length, 1);
});

for (const isWillUnderway of [false, true]) {
  const how = isWillUnderway ? 'by its will, which is still on its way' : 'at once';
  test(`one that leaves while it is claimed is taken off the record ${how}`, async () => {
    const { answers, connection, heard, holdWills, late, rest } = setUp();
    answers.push({ lastWill: null });
    late.retry();
    await Promise.resolve();
    connection.isClosed = true;
    if (isWillUnderway) holdWills();
    await rest();
    assert.equal(heard, isWillUnderway ? ['claim'] : ['claim', 'leave one']);
  });
}

test.run();
