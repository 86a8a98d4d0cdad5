/** Acknowledgements that wait for the store: in order, and not too many. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type AckSource, PendingAck, PendingAcks } from '../../src/broker/pending-acks.js';

const test = suite('pending acknowledgements');

const waitingMax = 40;

class Source implements AckSource {
  readonly core = { limits: { acknowledgementsWaitingMax: waitingMax } };
  holds = 0;
  hold(): void {
    this.holds++;
  }
  release(): void {
    this.holds--;
  }
}

function waiting(packetId: number, pending: number): PendingAck {
  const ack = new PendingAck();
  ack.packetId = packetId;
  ack.pending = pending;
  return ack;
}

function collect(source: Source | null = null): { acks: PendingAcks; sent: number[] } {
  const sent: number[] = [];
  const sender = {
    prepare: () => undefined,
    send: ({ packetId }: PendingAck) => sent.push(packetId),
  };
  return { acks: new PendingAcks(sender, source), sent };
}

test('one that is ready waits for those before it [MQTT-4.6.0-2]', () => {
  const { acks, sent } = collect();
  const first = waiting(1, 2);
  acks.add(first);
  acks.add(waiting(2, 0));
  first.onSafe();
  assert.equal(sent, []);
  first.onSafe();
  assert.equal(sent, [1, 2]);
  assert.ok(acks.isEmpty);
});

test('random completions send all of them, in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(3), { maxLength: 60 }),
      fc.infiniteStream(fc.nat()),
      (counts, dice) => {
        const { acks, sent } = collect();
        const open: PendingAck[] = [];
        for (const [index, pending] of counts.entries()) {
          const ack = waiting(index, pending);
          for (let n = 0; n < pending; n++) open.push(ack);
          acks.add(ack);
        }
        while (open.length > 0) {
          const [ack] = open.splice(dice.next().value % open.length, 1);
          ack!.onSafe();
          assert.equal(
            sent,
            sent.map((_, index) => index),
          );
        }
        assert.is(sent.length, counts.length);
        assert.is(acks.size, 0);
      },
    ),
  );
});

test('what has to be done before one goes out holds up those behind it, and is done once', () => {
  const sent: number[] = [];
  let prepared = 0;
  const acks = new PendingAcks({
    prepare: (ack) => {
      if (ack.packetId !== 1) return;
      prepared++;
      ack.pending++;
    },
    send: ({ packetId }) => sent.push(packetId),
  });
  const first = waiting(1, 1);
  acks.add(first);
  acks.add(waiting(2, 0));
  first.onSafe();
  assert.equal(sent, []);
  first.onSafe();
  assert.equal(sent, [1, 2]);
  assert.is(prepared, 1);
});

test('an acknowledgement goes out on the connection that asked for it last', () => {
  const before = collect();
  const after = collect();
  const ack = waiting(1, 1);
  before.acks.add(ack);
  after.acks.add(ack);
  ack.onSafe();
  assert.equal([before.sent, after.sent], [[], [1]]);
});

test('what has to be done before is done again for another connection', () => {
  const prepared: string[] = [];
  const of = (name: string): PendingAcks =>
    new PendingAcks({ prepare: () => prepared.push(name), send: () => undefined });
  const ack = waiting(1, 1);
  of('before').add(ack);
  ack.onSafe();
  of('after').add(ack);
  assert.equal(prepared, ['before', 'after']);
});

test('with too many its connection is not read, until half of them are gone', () => {
  const source = new Source();
  const { acks, sent } = collect(source);
  const all = Array.from({ length: waitingMax + 10 }, (_, index) => waiting(index, 1));
  for (const ack of all.slice(0, waitingMax - 1)) acks.add(ack);
  assert.is(source.holds, 0);
  for (const ack of all.slice(waitingMax - 1)) acks.add(ack);
  assert.is(source.holds, 1);
  for (const [index, ack] of all.entries()) {
    ack.onSafe();
    assert.is(source.holds, all.length - index - 1 > waitingMax / 2 ? 1 : 0);
  }
  assert.is(sent.length, all.length);
});

test.run();
