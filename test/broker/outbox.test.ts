/** Each state of an outbound message × each input that may come in it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Outbox } from '../../src/broker/outbox.js';
import { OutboxEntry } from '../../src/broker/outbox-entry.js';
import { packetIdOf } from '../../src/broker/outbox-flags.js';
import { SharedGroup } from '../../src/broker/shared-group.js';
import { messageTo } from './support/builders.js';

const test = suite('outbox');

const PAYLOAD = 'twelve bytes';
const BYTES = PAYLOAD.length;

const inputs = {
  puback: (outbox: Outbox) => outbox.onPuback(1),
  pubrec: (outbox: Outbox) => outbox.onPubrec(1),
  'pubrec 0x80': (outbox: Outbox) => outbox.onPubrecRefused(1),
  pubcomp: (outbox: Outbox) => outbox.onPubcomp(1),
  resume: (outbox: Outbox) => {
    const released: number[] = [];
    outbox.resume((id) => released.push(id));
    return released.length > 0;
  },
  drop: (outbox: Outbox) => outbox.dropOldest() !== null,
} as const;
type Input = keyof typeof inputs;

/** Brings the message with identifier 1 into a state. */
const states = {
  queued: () => undefined,
  sent: (outbox: Outbox) => send(outbox),
  'queued again': (outbox: Outbox) => {
    send(outbox);
    inputs.resume(outbox);
  },
  'sent again': (outbox: Outbox) => {
    states['queued again'](outbox);
    send(outbox);
  },
  released: (outbox: Outbox) => {
    send(outbox);
    inputs.pubrec(outbox);
  },
  'released, resumed': (outbox: Outbox) => {
    states.released(outbox);
    inputs.resume(outbox);
  },
  done: (outbox: Outbox, qos: 1 | 2) => {
    send(outbox);
    if (qos === 1) inputs.puback(outbox);
    else inputs['pubrec 0x80'](outbox);
  },
} as const;
type State = keyof typeof states;

/** State before, input, its answer, and the state after by what can be seen: see `seen`. */
type Row = readonly [State, Input, boolean, string];

const QUEUED = 'waits';
const AGAIN = 'waits with DUP';
const SENT = 'in flight with bytes';
const RELEASED = 'in flight';
const DONE = 'gone';

const either: readonly Row[] = [
  ['queued', 'puback', false, QUEUED],
  ['queued', 'pubrec', false, QUEUED],
  ['queued', 'pubrec 0x80', false, QUEUED],
  ['queued', 'pubcomp', false, QUEUED],
  ['queued', 'resume', false, QUEUED],
  ['queued', 'drop', true, DONE],
  ['sent', 'pubcomp', false, SENT],
  ['sent', 'resume', false, AGAIN],
  ['sent', 'drop', false, SENT],
  ['queued again', 'puback', false, AGAIN],
  ['queued again', 'pubrec', false, AGAIN],
  ['queued again', 'pubrec 0x80', false, AGAIN],
  ['queued again', 'pubcomp', false, AGAIN],
  ['queued again', 'resume', false, AGAIN],
  ['queued again', 'drop', false, AGAIN],
  ['sent again', 'pubcomp', false, SENT],
  ['sent again', 'resume', false, AGAIN],
  ['sent again', 'drop', false, SENT],
  ['done', 'puback', false, DONE],
  ['done', 'pubrec', false, DONE],
  ['done', 'pubrec 0x80', false, DONE],
  ['done', 'pubcomp', false, DONE],
  ['done', 'resume', false, DONE],
  ['done', 'drop', false, DONE],
];

const qos1: readonly Row[] = [
  ['sent', 'puback', true, DONE],
  ['sent', 'pubrec', false, SENT],
  ['sent', 'pubrec 0x80', false, SENT],
  ['sent again', 'puback', true, DONE],
  ['sent again', 'pubrec', false, SENT],
  ['sent again', 'pubrec 0x80', false, SENT],
];

const qos2: readonly Row[] = [
  ['sent', 'puback', false, SENT],
  ['sent', 'pubrec', true, RELEASED],
  ['sent', 'pubrec 0x80', true, DONE],
  ['sent again', 'puback', false, SENT],
  ['sent again', 'pubrec', true, RELEASED],
  ['sent again', 'pubrec 0x80', true, DONE],
  ['released', 'puback', false, RELEASED],
  ['released', 'pubrec', true, RELEASED],
  ['released', 'pubrec 0x80', false, RELEASED],
  ['released', 'pubcomp', true, DONE],
  ['released', 'resume', true, RELEASED],
  ['released', 'drop', false, RELEASED],
  ['released, resumed', 'puback', false, RELEASED],
  ['released, resumed', 'pubrec', true, RELEASED],
  ['released, resumed', 'pubrec 0x80', false, RELEASED],
  ['released, resumed', 'pubcomp', true, DONE],
  ['released, resumed', 'resume', true, RELEASED],
  ['released, resumed', 'drop', false, RELEASED],
];

for (const qos of [1, 2] as const) {
  for (const [state, input, answer, after] of [...either, ...(qos === 1 ? qos1 : qos2)]) {
    test(`QoS ${qos}, ${state}: ${input} answers ${answer}, and the message ${after}`, () => {
      const outbox = new Outbox();
      outbox.add(messageTo('a', PAYLOAD, qos), qos, false, null, null);
      states[state](outbox, qos);

      assert.is(inputs[input](outbox), answer);
      assert.is(seen(outbox), after);
    });
  }
}

test('every state × input pair of QoS 1 and 2 is in the table', () => {
  const inputCount = Object.keys(inputs).length;
  const ofQos1 = Object.keys(states).filter((state) => !state.startsWith('released'));
  assert.is(either.length + qos1.length, ofQos1.length * inputCount);
  assert.is(either.length + qos2.length, Object.keys(states).length * inputCount);
});

test('a message is sent with its RETAIN, QoS and identifiers, and with DUP the second time', () => {
  const outbox = new Outbox();
  const message = messageTo('a', PAYLOAD, 2);
  outbox.add(message, 2, true, [7, 8], null);
  const first = send(outbox);
  assert.is(first.message, message);
  assert.equal([first.qos, first.retain, first.dup, first.ids], [2, true, false, [7, 8]]);

  inputs.resume(outbox);
  const second = send(outbox);
  assert.equal([second.qos, second.retain, second.dup, second.ids], [2, true, true, [7, 8]]);
  assert.is(second.packetId, first.packetId);
});

test('a queued QoS 0 message is done once it is sent, and its number is not an identifier', () => {
  const outbox = new Outbox();
  outbox.add(messageTo('a', PAYLOAD, 0), 0, false, null, null);
  outbox.add(messageTo('a', PAYLOAD, 1), 1, false, null, null);
  assert.is(send(outbox).qos, 0);
  assert.is(outbox.inflight, 0);
  assert.is(inputs.puback(outbox), false);
  assert.is(send(outbox).packetId, 2);
  assert.is(outbox.onPuback(2), true);
  assert.is(outbox.length, 0);
});

test('Receive Maximum closes the window, an acknowledgement opens it [MQTT-3.3.4-9]', () => {
  const outbox = new Outbox();
  for (let count = 0; count < 3; count++) outbox.add(messageTo('a', PAYLOAD), 1, false, null, null);
  send(outbox);
  send(outbox);
  assert.is(outbox.peek(new OutboxEntry(), 2), false);
  assert.is(outbox.canSendNow(2), false);
  assert.is(outbox.onPuback(2), true);
  assert.is(send(outbox, 2).packetId, 3);
});

test('identifiers wrap behind 65 535 and skip the one that is still in flight', () => {
  const outbox = new Outbox();
  const stuck = outbox.addSent(messageTo('a', PAYLOAD), 1, false, BYTES);
  assert.is(packetIdOf(stuck), 1);
  for (let count = 1; count < 65_535; count++) {
    const seq = outbox.addSent(null, 1, false, BYTES);
    assert.is(outbox.onPuback(packetIdOf(seq)), true);
  }
  assert.is(outbox.inflight, 1);
  // The next number would be packet identifier 1 again.
  assert.is(outbox.canSendNow(10), false);
  outbox.add(messageTo('a', PAYLOAD), 1, false, null, null);
  assert.is(outbox.peek(new OutboxEntry(), 10), false);
  assert.is(outbox.onPuback(1), true);
  assert.is(send(outbox).packetId, 1);
});

test('a queue that drops its oldest behind a message in flight does not grow', () => {
  const outbox = new Outbox();
  outbox.addSent(messageTo('a', PAYLOAD), 1, false, BYTES);
  for (let count = 0; count < 200_000; count++) {
    outbox.add(messageTo('a', String(count)), 1, false, null, null);
    if (count >= 10) outbox.dropOldest();
  }
  assert.is(outbox.queued, 10);
  assert.ok(outbox.length < 100, `${outbox.length} numbers for 11 messages`);
  const payloads: string[] = [];
  while (outbox.queued > 0) payloads.push(textOf(send(outbox)));
  assert.equal(payloads[0], '199990');
  assert.equal(payloads.at(-1), '199999');
});

test('dropping the oldest of a long queue costs no search through what was dropped before', () => {
  const steps = (length: number): number => {
    const outbox = new Outbox();
    const message = messageTo('a', 'x');
    outbox.addSent(message, 1, false, 1);
    for (let count = 0; count < length; count++) outbox.add(message, 1, false, null, null);
    const startMs = performance.now();
    for (let count = 0; count < 20_000; count++) {
      outbox.add(message, 1, false, null, null);
      outbox.dropOldest();
    }
    return performance.now() - startMs;
  };
  steps(100);
  const short = steps(100);
  const long = steps(50_000);
  assert.ok(long < short * 20 + 200, `${long} ms behind a long queue, ${short} ms without`);
});

test('what an ended session leaves to its group: QoS 1 unacknowledged, QoS 2 not begun', () => {
  const group = new SharedGroup('g', 'a');
  const outbox = new Outbox();
  const add = (payload: string, qos: 1 | 2, isShared = true): void => {
    outbox.add(messageTo('a', payload, qos), qos, false, null, isShared ? group : null);
  };
  add('acknowledged', 1);
  add('sent 1', 1);
  add('own', 1, false);
  add('sent 2', 2);
  add('released', 2);
  for (let count = 0; count < 5; count++) send(outbox);
  outbox.onPuback(1);
  outbox.onPubrec(5);
  add('queued 1', 1);
  add('queued 2', 2);
  const left = (): string[] =>
    outbox.undelivered().map(({ message }) => {
      return message.block.bytes.toString('utf8', message.payloadStart, message.end);
    });

  assert.equal(left(), ['sent 1', 'queued 1', 'queued 2']);
  inputs.resume(outbox);
  assert.equal(left(), ['sent 1', 'queued 1', 'queued 2']);
  assert.ok(outbox.undelivered().every((item) => item.group === group));
});

function send(outbox: Outbox, inflightMax = 100): OutboxEntry {
  const entry = new OutboxEntry();
  assert.is(outbox.peek(entry, inflightMax), true);
  outbox.becomeSent(entry);
  return entry;
}

function textOf({ message }: OutboxEntry): string {
  return message!.block.bytes.toString('utf8', message!.payloadStart, message!.end);
}

/** Where the only message is, by the counters and by what would be sent next. */
function seen(outbox: Outbox): string {
  const { inflight, inflightBytes, queued, queuedBytes } = outbox;
  const counters = [inflight, inflightBytes, queued, queuedBytes].join();
  const entry = new OutboxEntry();
  const isWaiting = outbox.peek(entry, 100);
  if (counters === `0,0,1,${BYTES}` && isWaiting) return entry.dup ? AGAIN : QUEUED;
  if (counters === `1,${BYTES},0,0` && !isWaiting) return SENT;
  if (counters === '1,0,0,0' && !isWaiting) return RELEASED;
  if (counters === '0,0,0,0' && !isWaiting) return DONE;
  return `has counters ${counters} and ${isWaiting ? 'waits' : 'does not wait'}`;
}

test.run();
