// slow
/**
 * A connection that was given up may still deliver what it holds, when its calls were repeated on
 * another one and later calls were done: what comes late changes nothing.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventsScript, historyScript } from '../../../src/store/redis/history/scripts.js';
import { retainedField, retainedValue } from '../../../src/store/redis/map-entries.js';
import { indexScript, mapScript } from '../../../src/store/redis/scripts/map.js';
import { pledgeScript } from '../../../src/store/redis/scripts/pledge.js';
import type { Script } from '../../../src/store/redis/scripts/script.js';
import { RedisServer } from '../../support/redis-server.js';
import { TempFolder } from '../../support/temp.js';

const test = suite('calls that come late');
const folder = new TempFolder();
let server: RedisServer;

test.before(async () => {
  server = await RedisServer.start({ folder: folder.path });
});

test.before.each(async () => {
  await server.command('FLUSHALL');
});

test.after(async () => {
  await server.kill();
  folder.remove();
});

type Part = string | Buffer | number;

function run(script: Script, keys: readonly string[], args: readonly Part[]): Promise<unknown> {
  return server.command('EVAL', script.source, keys.length, ...keys, ...args);
}

/** @throws unless it is refused as one that was overtaken */
async function isRefused(call: Promise<unknown>): Promise<void> {
  const answer = await call.then(
    (reply) => `answered ${reply}`,
    (error: Error) => error.message,
  );
  assert.match(answer, /overtaken by its own repeat/);
}

test('a retained message stays as the last call left it', async () => {
  const keys = ['{m}:m', '{m}:log', '{m}:w'];
  const retain = (call: number, text: string) => {
    const value = retainedValue(7, Buffer.from(text));
    const change = [
      retainedField('t'),
      Buffer.concat([Buffer.from('+'), value]),
      value.subarray(0, 8),
    ];
    return run(mapScript, keys, ['writer-a', call, 1, ...change]);
  };
  assert.is(await retain(10, 'one'), 1);
  assert.is(await retain(10, 'one'), 1, 'a repeat is answered as before');
  assert.is(await retain(11, 'two'), 2);
  await isRefused(retain(10, 'one'));
  assert.is(String(await server.command('HGET', '{m}:m', 'rt')).slice(8), 'two');
  assert.is(await server.command('XLEN', '{m}:log'), 2);
});

test('an offline session stays on the list', async () => {
  const keys = ['{x}:z', '{x}:w:writer-a'];
  await run(indexScript, keys, [5, 'ZREM', 'c', '']);
  await run(indexScript, keys, [5, 'ZREM', 'c', '']);
  await run(indexScript, keys, [6, 'ZADD', '1000', 'c']);
  await isRefused(run(indexScript, keys, [5, 'ZREM', 'c', '']));
  assert.is(String(await server.command('ZSCORE', '{x}:z', 'c')), '1000');
});

test('another broker has calls of its own', async () => {
  await run(indexScript, ['{x}:z', '{x}:w:writer-a'], [6, 'ZADD', '1000', 'c']);
  await run(indexScript, ['{x}:z', '{x}:w:writer-b'], [2, 'ZREM', 'c', '']);
  assert.is(await server.command('ZCARD', '{x}:z'), 0);
});

test('the history has every message once', async () => {
  const keys = ['w', 'c', '0', '1', '2'].map((part) => `{h}:${part}`);
  const write = (call: number) => run(historyScript, keys, ['writer-a', call, 1, 1, `${call}`]);
  assert.equal([await write(3), await write(3), await write(4), await write(3)], [1, 0, 1, 0]);
  assert.is(await server.command('XLEN', '{h}:1'), 2);
  assert.is(await write(4), 0, 'the last call is still known');
});

test('events are told once', async () => {
  const keys = ['{e}:w', '{e}:log'];
  const tell = (call: number) => run(eventsScript, keys, ['writer-a', call, 100, 2, 'event', 'e']);
  assert.equal([await tell(3), await tell(3), await tell(4), await tell(3)], [1, 0, 1, 0]);
  assert.is(await server.command('XLEN', '{e}:log'), 2);
});

test('a pledge that was fulfilled does not come back', async () => {
  const keys = ['{n}:due', '{n}:alive'];
  const keep = () => run(pledgeScript, keys, [3, 0, 1, 'one', 2, 'two']);
  assert.is(await keep(), -2, 'its broker is dead');
  await server.command('SET', '{n}:alive', 1);
  assert.equal([await keep(), await keep()], [1, 1]);
  assert.is(await run(pledgeScript, keys, [4, 1, 1]), 1);
  await isRefused(keep());
  assert.equal((await server.command('HGETALL', '{n}:due')) as unknown[], ['#', '4', '2', 'two']);
  assert.is(await run(pledgeScript, keys, [5, 1, 2]), 1);
  assert.equal((await server.command('HGETALL', '{n}:due')) as unknown[], ['#', '5']);
});

test.run();
