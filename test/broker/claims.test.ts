/** One claim per client at a time. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Claims } from '../../src/broker/claims.js';
import { DurableBroker } from './durable/support/durable-broker.js';

const test = suite('claims');

interface Gate {
  readonly promise: Promise<void>;
  readonly open: () => void;
  readonly fail: () => void;
}

function gate(): Gate {
  let open = (): void => undefined;
  let fail = (): void => undefined;
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = () => reject(new Error('away'));
  });
  return { promise, open: () => open(), fail: () => fail() };
}

/** Until every promise that can go on has done so. */
function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function create(): Promise<Claims> {
  const broker = await DurableBroker.start();
  return new Claims(broker.broker.core.journal!);
}

test('tasks of one client follow each other, those of others do not wait', async () => {
  const claims = await create();
  const gates = [gate(), gate(), gate()];
  const log: string[] = [];
  const run = (clientId: string, index: number): Promise<void> =>
    claims.after(clientId, async () => {
      log.push(`begin ${index}`);
      await gates[index]!.promise;
      log.push(`end ${index}`);
    });
  const all = [run('a', 0), run('a', 1), run('b', 2)];
  await rest();
  assert.equal(log, ['begin 0', 'begin 2']);
  gates[0]!.open();
  await rest();
  assert.equal(log, ['begin 0', 'begin 2', 'end 0', 'begin 1']);
  gates[1]!.open();
  gates[2]!.open();
  await Promise.all(all);
  await rest();
  assert.is(claims.size, 0);
});

test('a task that fails does not keep the next one', async () => {
  const claims = await create();
  const failing = gate();
  const log: string[] = [];
  const first = claims.after('a', () => failing.promise).catch(() => log.push('failed'));
  const second = claims.after('a', async () => log.push('second'));
  failing.fail();
  await Promise.all([first, second]);
  await rest();
  assert.equal(log, ['failed', 'second']);
  assert.is(claims.size, 0);
});

test('a task that asks for what comes after it does not run beside it', async () => {
  const claims = await create();
  const log: string[] = [];
  await claims.after('a', async () => {
    void claims.after('a', async () => log.push('inner'));
    await rest();
    log.push('outer');
  });
  await rest();
  assert.equal(log, ['outer', 'inner']);
});

test.run();
