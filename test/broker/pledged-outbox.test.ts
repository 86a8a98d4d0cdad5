/** What a member of a shared subscription has is pledged until it is done, however that comes. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OutboxEntry } from '../../src/broker/outbox-entry.js';
import { packetIdOf } from '../../src/broker/outbox-flags.js';
import { PledgedOutbox } from '../../src/broker/pledged-outbox.js';
import { SharedGroup } from '../../src/broker/shared-group.js';
import type { Message } from '../../src/protocol/message.js';
import { messageTo } from './support/builders.js';

const test = suite('pledged outbox');
const group = new SharedGroup('g', 't');

/** Payloads of what is pledged. */
const open = new Set<string>();

test.before.each(() => {
  open.clear();
});

function pledge(message: Message) {
  const { block, end, payloadStart } = message;
  const text = Buffer.from(block.bytes.subarray(payloadStart, end)).toString();
  open.add(text);
  return { fulfil: () => assert.ok(open.delete(text), text) };
}

function add(outbox: PledgedOutbox, text: string, qos: 0 | 1 | 2 = 1): number {
  return outbox.add(messageTo('t', text, qos), qos, false, null, group);
}

/** Sends what waits. */
function sendAll(outbox: PledgedOutbox): void {
  const entry = new OutboxEntry();
  while (outbox.peek(entry, Number.POSITIVE_INFINITY)) outbox.becomeSent(entry);
}

test('only QoS 1 of a shared subscription is pledged', () => {
  const outbox = new PledgedOutbox({ pledge });
  add(outbox, 'zero', 0);
  add(outbox, 'two', 2);
  outbox.add(messageTo('t', 'plain'), 1, false, null, null);
  assert.is(outbox.hasPledges, false);
  add(outbox, 'one');
  assert.equal([...open], ['one']);
});

test('PUBACK and a full queue end the pledge of their message', () => {
  const outbox = new PledgedOutbox({ pledge });
  const first = outbox.addSent(messageTo('t', 'first'), 1, false, 5);
  outbox.setGroupOf(first, group);
  for (const text of ['a', 'b']) add(outbox, text);
  assert.is(outbox.onPuback(packetIdOf(first)), true);
  assert.equal([...open], ['a', 'b']);
  outbox.dropOldest();
  assert.equal([...open], ['b']);
});

test('each message has its own, however the outbox grows and closes up', () => {
  const outbox = new PledgedOutbox({ pledge });
  // In flight to the end: what waits behind it moves.
  const first = outbox.addSent(messageTo('t', 'first'), 1, false, 5);
  outbox.setGroupOf(first, group);
  for (let count = 0; count < 300; count++) {
    add(outbox, `${count}`);
    if (count >= 20) outbox.dropOldest();
    assert.is(open.size, 1 + Math.min(count + 1, 20));
  }
  assert.equal(
    [...open].slice(1),
    Array.from({ length: 20 }, (_, at) => `${280 + at}`),
  );
  sendAll(outbox);
  for (let seq = outbox.endSeq - 20; seq < outbox.endSeq; seq++) {
    assert.is(outbox.onPuback(packetIdOf(seq)), true);
  }
  assert.equal([...open], ['first']);
});

test('what is taken is not fulfilled by the outbox any more', () => {
  const outbox = new PledgedOutbox({ pledge });
  add(outbox, 'a');
  const taken = [...outbox.takePledges()];
  outbox.dropOldest();
  assert.equal([...open], ['a']);
  for (const one of taken) one.fulfil();
  assert.is(open.size, 0);
});

test.run();
