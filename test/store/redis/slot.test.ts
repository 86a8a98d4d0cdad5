/** Hash slots, keys, and what goes over the wire. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CommandBuffer,
  readU64,
  writeU48,
  writeU64,
} from '../../../src/store/redis/command-buffer.js';
import { parseInfo, parsePairs, versionNumber } from '../../../src/store/redis/info.js';
import { Keys, sessionTag } from '../../../src/store/redis/keys.js';
import {
  decodeEntry,
  decodeOptions,
  encodeOptions,
  retainedField,
  retainedValue,
  subscriptionField,
  subscriptionValue,
} from '../../../src/store/redis/map-entries.js';
import { Refusal, redirection, refusalOf } from '../../../src/store/redis/reply-error.js';
import { slotOf, tagIn } from '../../../src/store/redis/slot.js';

const test = suite('redis keys and bytes');

test('slots are those of Redis', () => {
  // As CLUSTER KEYSLOT says.
  assert.is(slotOf('123456789'), 12_739);
  assert.is(slotOf('foo'), 12_182);
  assert.is(slotOf('user1000'), 3_443);
  assert.is(slotOf(''), 0);
  for (const slot of [0, 1, 5_460, 16_383]) assert.is(slotOf(tagIn(slot)), slot);
});

test('no two client ids have the same tag, and none ends it early', () => {
  const ids = ['', '%', '%25', '{', '}', '%7B', '%7D', '{}', 'a{b}c', 'a%7Bb%7Dc', 'é', '👩‍👩‍👧'];
  const tags = ids.map(sessionTag);
  assert.is(new Set(tags).size, ids.length);
  for (const tag of tags) assert.not.match(tag, /^$|[{}]/);
});

test('a session cannot have the key of anything else', () => {
  const keys = new Keys('tw:');
  const others = [keys.map(0, 'm'), keys.map(0, 'log'), keys.map(0, 'w'), keys.offline(0, 'z')];
  others.push(keys.owned('n', 'own'), keys.run('a'));
  for (const tag of ['map:0', 'x:0', 'node:n', 'a']) {
    for (const part of ['s', 'q', 'r', 'd'] as const) {
      assert.not.ok(others.includes(keys.session(sessionTag(tag), part)));
    }
  }
});

test('a command is what Redis reads, whatever its size', () => {
  const out = new CommandBuffer();
  const big = Buffer.alloc(300_000, 7);
  out.command(3);
  out.text('SÉT');
  out.blob(big);
  out.number(1_234_567_890_123);
  const bytes = out.take();
  const head = Buffer.from('*3\r\n$4\r\nSÉT\r\n$300000\r\n');
  const tail = Buffer.from('\r\n$13\r\n1234567890123\r\n');
  assert.ok(bytes.equals(Buffer.concat([head, big, tail])));
  out.command(1);
  out.text('');
  assert.is(String(out.take()), '*1\r\n$0\r\n\r\n');
});

test('numbers beyond 32 bits are written whole', () => {
  const bytes = Buffer.alloc(8);
  for (const value of [0, 1, 0xffff_ffff, 0x1_0000_0000, 2 ** 48 - 1]) {
    writeU48(bytes, value, 0);
    assert.is(bytes.readUIntBE(0, 6), value);
  }
  for (const value of [0, 2 ** 48 + 5, 1_763_800_000_000_123, Number.MAX_SAFE_INTEGER]) {
    writeU64(bytes, value, 0);
    assert.is(readU64(bytes, 0), value);
    assert.is(Number(bytes.readBigUInt64BE(0)), value);
  }
});

test('entries of the maps come back as they went', () => {
  const one = { filter: '$share/g/é/{}/+', options: 0b1110, identifier: 268_435_455 };
  const field = subscriptionField('cli}ent 👋', one.filter);
  const entry = decodeEntry(field, subscriptionValue(1_763_800_000_000_123, one));
  assert.equal(entry, {
    kind: 'subscription',
    clientId: 'cli}ent 👋',
    epoch: 1_763_800_000_000_123,
    subscription: one,
  });
  const record = Buffer.from([0, 255]);
  assert.equal(decodeEntry(retainedField('t/é'), retainedValue(7, record)), {
    kind: 'retained',
    topic: 't/é',
    record,
  });
  assert.is(decodeEntry(Buffer.from('future'), record), null);
  assert.equal(decodeOptions(one.filter, encodeOptions(one)), one);
});

test('errors of Redis are told apart by their first word', () => {
  const of = (text: string) => refusalOf(new Error(text));
  assert.is(of('MOVED 3999 127.0.0.1:6381'), Refusal.Moved);
  assert.is(of('ASK 3999 127.0.0.1:6381'), Refusal.Ask);
  assert.is(of('TRYAGAIN Multiple keys request during rehashing of slot'), Refusal.TryAgain);
  assert.is(of('NOSCRIPT No matching script.'), Refusal.NoScript);
  assert.is(of("READONLY You can't write against a read only replica."), Refusal.ReadOnly);
  assert.is(of('UNBLOCKED force unblock from blocking operation'), Refusal.ReadOnly);
  for (const word of ['CLUSTERDOWN', 'LOADING', 'MASTERDOWN', 'NOREPLICAS', 'OOM', 'MISCONF']) {
    assert.is(of(`${word} and why`), Refusal.Later);
  }
  const from = { host: 'here', port: 1 };
  const to = (text: string) => redirection(new Error(text), from);
  assert.equal(to('MOVED 1 10.0.0.1:7'), { host: '10.0.0.1', port: 7 });
  assert.equal(to('ASK 1 ::1:7'), { host: '::1', port: 7 });
  assert.equal(to('MOVED 1 :7'), { host: 'here', port: 7 });
  assert.is(to('MOVED'), null);
});

test('answers of INFO and CONFIG GET are read', () => {
  const info = parseInfo('# Server\r\nredis_version:7.0.15\r\nrole:master\r\nempty:\r\n');
  assert.is(info.text('redis_version'), '7.0.15');
  assert.is(info.text('missing'), '');
  assert.ok(Number.isNaN(info.number('empty')));
  assert.is(parsePairs(['maxmemory', '0']).number('maxmemory'), 0);
  assert.ok(versionNumber('7.0.15') < versionNumber('7.2.0'));
  assert.ok(versionNumber('8.10.1') > versionNumber('8.9.9'));
  assert.is(versionNumber('unstable'), 0);
});

test.run();
