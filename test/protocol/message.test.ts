import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Slab } from '../../src/base/block.js';
import { type Message, NEVER } from '../../src/protocol/message.js';
import { expiryFirst, messageOf } from './support/messages.js';

const test = suite('message');

const bytesOf = (message: Message): string =>
  message.block.bytes.toString('latin1', message.propertiesStart, message.end);

const payloadOf = (message: Message): string =>
  message.block.bytes.toString('latin1', message.payloadStart, message.end);

function view(): Message {
  const message = messageOf({ ...expiryFirst(77), topic: 'a/b', expiresAtMs: 5_000 });
  message.qos = 2;
  message.retain = true;
  message.publisherId = 'me';
  message.isV5 = true;
  message.rawStart = 0;
  message.rawEnd = message.end;
  return message;
}

test('a kept message has the same contents in bytes of its own', () => {
  const message = view();
  const before = bytesOf(message);

  const kept = message.keep(new Slab(1024));
  message.block.bytes.fill(0xee);

  assert.is(bytesOf(kept), before);
  assert.is(payloadOf(kept), 'p');
  assert.is(kept.payloadLength, 1);
  assert.is(kept.size, before.length);
  assert.is(kept.topic, message.topic);
  assert.is(kept.qos, 2);
  assert.is(kept.retain, true);
  assert.is(kept.publisherId, 'me');
  assert.is(kept.isV5, true);
  assert.is(kept.expiresAtMs, 5_000);
  assert.is(kept.block.bytes.readUInt32BE(kept.expiryAt), 77);
});

test('a kept message has no raw packet: that lay in the read buffer', () => {
  const kept = view().keep(new Slab(1024));
  assert.is(kept.rawStart, -1);
  assert.is(kept.rawEnd, -1);
});

test('a view is copied once, whoever keeps it', () => {
  const slab = new Slab(1024);
  const message = view();
  const kept = message.keep(slab);
  assert.is(message.keep(slab), kept);
  assert.is(kept.keep(slab), kept);
  assert.is(message.kept, kept);
  assert.is(kept.kept, kept);
});

test('a message without an expiry is kept without one', () => {
  const message = messageOf({ topic: 't', payload: Buffer.from('pay') });
  const kept = message.keep(new Slab(1024));
  assert.is(kept.expiryAt, -1);
  assert.is(kept.expiresAtMs, NEVER);
  assert.is(payloadOf(kept), 'pay');
});

test('an empty message is kept', () => {
  const kept = messageOf({ topic: 't', payload: Buffer.alloc(0) }).keep(new Slab(1024));
  assert.is(kept.size, 0);
  assert.is(kept.payloadLength, 0);
});

test('a large message is kept in a block of its own', () => {
  const payload = Buffer.alloc(100_000, 'x');
  const slab = new Slab(1024);
  const kept = messageOf({ topic: 't', payload }).keep(slab);
  assert.is(payloadOf(kept), payload.toString());
  assert.is(kept.block.bytes.length, payload.length);
});

test('several messages of one slab do not touch each other', () => {
  const slab = new Slab(64);
  const payloads = Array.from({ length: 40 }, (_, length) => 'x'.repeat(length) + length);
  const kept = payloads.map((payload) =>
    messageOf({ topic: 't', payload: Buffer.from(payload) }).keep(slab),
  );
  assert.equal(kept.map(payloadOf), payloads);
});

test('settling moves a message to another slab, once', () => {
  const busy = new Slab(1024);
  const quiet = new Slab(1024);
  const kept = view().keep(busy);
  const before = bytesOf(kept);
  const busyBlock = kept.block;

  kept.settle(quiet);
  const settledBlock = kept.block;
  kept.settle(quiet);
  busyBlock.bytes.fill(0xee);

  assert.is.not(settledBlock, busyBlock);
  assert.is(kept.block, settledBlock);
  assert.is(bytesOf(kept), before);
  assert.is(kept.block.bytes.readUInt32BE(kept.expiryAt), 77);
  assert.is(kept.qos, 2);
  assert.is(kept.expiresAtMs, 5_000);
  assert.is(kept.keep(busy), kept);
});

test('a message that stays is copied once when nobody kept it, and leaves a busy slab else', () => {
  const busy = new Slab(1024);
  const quiet = new Slab(1024);
  const fresh = view().keepLong(quiet);
  const { block } = fresh;
  assert.is(fresh.keepLong(quiet).block, block);

  const inFlight = view();
  const kept = inFlight.keep(busy);
  const busyBlock = kept.block;
  assert.is(inFlight.keepLong(quiet), kept);
  assert.is.not(kept.block, busyBlock);
  assert.is(bytesOf(kept), bytesOf(fresh));
});

test.run();
