/** Random commands: `Outbox` agrees with a plain list at every step. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { XorShift32 } from '../../src/base/prng.js';
import { Outbox } from '../../src/broker/outbox.js';
import { OutboxEntry } from '../../src/broker/outbox-entry.js';
import { messageTo } from './support/builders.js';
import { type Added, CheckedOutbox, useUpNumbers } from './support/outbox-model.js';

const test = suite('outbox model');

const kinds = ['puback', 'pubrec', 'refused', 'pubcomp'] as const;

const added: fc.Arbitrary<Added> = fc.record({
  qos: fc.constantFrom(0, 1, 2),
  size: fc.nat(20),
  retain: fc.boolean(),
  hasIds: fc.boolean(),
  isShared: fc.boolean(),
});

type Command = (checked: CheckedOutbox) => void;

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: added.map(
      (what): Command =>
        (checked) =>
          checked.add(what),
    ),
  },
  {
    weight: 2,
    arbitrary: added.map(
      (what): Command =>
        (checked) =>
          checked.addSent(what),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.nat(9).map(
      (n): Command =>
        (checked) =>
          checked.takeNext(n === 0),
    ),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(fc.constantFrom(...kinds), fc.nat()).map(
      ([kind, n]): Command =>
        (checked) =>
          acknowledgeAny(checked, kind, n),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...kinds), fc.integer({ min: 1, max: 65_535 })).map(
      ([kind, id]): Command =>
        (checked) =>
          checked.acknowledge(kind, id),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Command>((checked) => checked.resume()) },
  { weight: 2, arbitrary: fc.constant<Command>((checked) => checked.dropOldest()) },
);

test('any commands leave the outbox as the model has it', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(1, 2, 5, 65_535),
      fc.constantFrom(0, 0, 0, 65_530),
      fc.array(command, { maxLength: 200, size: 'max' }),
      (inflightMax, used, commands) => {
        const checked = new CheckedOutbox(inflightMax);
        useUpNumbers(checked, used);
        for (const run of commands) {
          run(checked);
          checked.check();
        }
      },
    ),
    { numRuns: 400 },
  );
});

test('identifiers come round twice while old messages stay in flight', () => {
  const prng = new XorShift32(20_260_101);
  const checked = new CheckedOutbox(40);
  const one = (): Added => ({
    qos: prng.below(3) as 0 | 1 | 2,
    size: prng.below(30),
    retain: prng.below(5) === 0,
    hasIds: prng.below(5) === 0,
    isShared: prng.below(5) === 0,
  });
  for (let step = 0; step < 600_000; step++) {
    const dice = prng.below(100);
    const isPushed = dice < 50 && checked.queued.length < 60;
    if (isPushed) checked.add(one());
    else if (dice < 55) checked.addSent(one());
    else if (dice < 75) checked.takeNext(dice < 57);
    else if (dice === 99 && step % 1000 === 0) checked.resume();
    else if (dice < 80) checked.dropOldest();
    else acknowledgeOldest(checked, prng.below(4));
    if (step % 500 === 0) checked.check();
  }
  checked.check();
  const { outbox } = checked;
  assert.ok(outbox.endSeq > 2 * 65_535, `only ${outbox.endSeq} numbers were used`);
});

test('a queue longer than all identifiers keeps its order, and identifiers in flight apart', () => {
  const outbox = new Outbox();
  const entry = new OutboxEntry();
  const total = 150_000;
  const messages = Array.from({ length: total }, () => messageTo('a', ''));
  for (const message of messages) outbox.add(message, 1, false, null, null);
  const inFlight = new Set<number>();
  let sent = 0;
  while (sent < total) {
    if (!outbox.peek(entry, 65_535)) {
      assert.is(inFlight.size, 65_535, 'all identifiers are in use');
      for (const packetId of [...inFlight].slice(0, 5000)) {
        assert.is(outbox.onPuback(packetId), true);
        inFlight.delete(packetId);
      }
      continue;
    }
    outbox.becomeSent(entry);
    if (entry.message !== messages[sent++]) assert.unreachable('order is kept');
    if (inFlight.has(entry.packetId)) assert.unreachable('an identifier is in flight twice');
    inFlight.add(entry.packetId);
  }
});

function acknowledgeAny(checked: CheckedOutbox, kind: (typeof kinds)[number], n: number): void {
  const { inflight } = checked;
  if (inflight.length > 0) checked.acknowledge(kind, inflight[n % inflight.length]!.packetId);
}

/** Mostly what the client owes, but the very oldest messages may wait long. */
function acknowledgeOldest(checked: CheckedOutbox, skip: number): void {
  const item = checked.inflight[skip];
  if (item === undefined) return;
  if (item.qos === 1) checked.acknowledge('puback', item.packetId);
  else checked.acknowledge(item.state === 'sent' ? 'pubrec' : 'pubcomp', item.packetId);
}

test.run();
