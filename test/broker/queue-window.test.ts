/** The window of a stored queue: unit tests, and random commands against a plain list. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OutboxEntry } from '../../src/broker/outbox-entry.js';
import { packetIdOf } from '../../src/broker/outbox-flags.js';
import { QueueWindow } from '../../src/broker/queue-window.js';
import type { Message } from '../../src/protocol/message.js';
import { SENT_AHEAD_MAX } from '../../src/store/store.js';
import { messageTo } from './support/builders.js';

const test = suite('queue window');

const IDS = 65_535;

function filled(count: number, firstSeq = 1): { window: QueueWindow; messages: Message[] } {
  const window = new QueueWindow(firstSeq, firstSeq);
  const messages = Array.from({ length: count }, (_, index) => messageTo('a', `${index}`));
  for (const message of messages) window.add(message, 1, false, null, null);
  return { window, messages };
}

test('numbers begin where the store says, and identifiers follow from them', () => {
  const { window } = filled(2, 65_535);
  const entry = new OutboxEntry();
  const ids: number[] = [];
  while (window.peek(entry, 10)) {
    ids.push(entry.packetId);
    window.becomeSent(entry);
  }
  assert.equal(ids, [65_535, 1]);
  assert.is(window.seqOf(1), 65_536);
});

test('what an earlier connection sent is not given up before it goes out again', () => {
  const window = new QueueWindow(1, 3);
  assert.is(window.sentEndSeq, 3);
  const seq = window.add(messageTo('a', 'x'), 1, false, null, null);
  window.markSent(seq);
  assert.is(window.giveUp(seq), null);
});

test('PUBCOMP of released messages empties a window in which nothing waits', () => {
  const window = new QueueWindow(5, 8);
  for (let n = 0; n < 3; n++) window.addReleased(false);
  assert.is(window.inflight, 3);
  for (const packetId of [6, 5, 7]) assert.ok(window.onPubcomp(packetId));
  assert.equal([window.firstSeq, window.nextSeq, window.endSeq], [8, 8, 8]);
});

test('what lapsed is released once PUBREC has come for what lies before it', () => {
  const window = new QueueWindow(1, 1);
  const entry = new OutboxEntry();
  window.addLapsed();
  for (const [qos, wasSent] of [
    [2, true],
    [2, false],
    [1, true],
  ] as const) {
    const seq = window.add(messageTo('a', 'x'), qos, false, null, null);
    if (wasSent) window.markSent(seq);
  }
  window.addLapsed();
  window.addLapsed();
  assert.equal([window.lapsed, window.inflight, window.holes], [3, 0, 3]);
  assert.equal(window.withClient(), [1, 2, 5, 6]);
  assert.is(window.releaseLapsed(), 1);
  assert.is(window.releaseLapsed(), 0, 'the second one is to go out again');
  assert.ok(window.peek(entry, 10));
  window.becomeSent(entry);
  assert.is(window.releaseLapsed(), 0, 'its PUBREC has not come');
  assert.ok(window.onPubrec(2));
  assert.equal([window.releaseLapsed(), window.releaseLapsed(), window.releaseLapsed()], [5, 6, 0]);
  assert.equal([window.lapsed, window.inflight], [0, 4]);
  for (const packetId of [1, 6, 5, 2]) assert.ok(window.onPubcomp(packetId));
  assert.equal(window.doneSeqs(), [5, 6], 'the store is told');
  assert.equal(window.lostInFlight(), []);
});

test('PUBREC of what lapsed counts, if the client sends it [MQTT-4.3.3-8]', () => {
  const window = new QueueWindow(1, 1);
  for (let seq = 1; seq <= 3; seq++) window.addLapsed();
  assert.ok(window.onPubrec(2));
  assert.ok(window.onPubrecRefused(3));
  assert.equal([window.lapsed, window.inflight], [1, 1]);
  assert.is(window.releaseLapsed(), 1);
  assert.ok(window.onPubcomp(1));
  assert.ok(window.onPubcomp(2));
  assert.equal([window.lapsed, window.inflight, window.firstSeq], [0, 0, 4]);
});

test('no more goes out than the store can know to be sent', () => {
  const { window } = filled(SENT_AHEAD_MAX + 10);
  const entry = new OutboxEntry();
  const pump = (): number => {
    while (window.peek(entry, IDS)) window.becomeSent(entry);
    return window.nextSeq;
  };
  assert.is(pump(), SENT_AHEAD_MAX + 1);
  assert.not(window.onSentKnown(1), 'nothing new');
  assert.ok(window.onSentKnown(4));
  assert.is(pump(), SENT_AHEAD_MAX + 4);
  assert.ok(window.onSentKnown(100));
  assert.is(pump(), SENT_AHEAD_MAX + 11);
  assert.not(window.onSentKnown(101), 'it is open');
});

test('a window that is all holes is empty, and takes up no room', () => {
  const window = new QueueWindow(1, 1);
  for (let seq = 1; seq <= 1_000_000; seq++) window.addDone(true);
  assert.equal([window.firstSeq, window.nextSeq, window.endSeq], [1_000_001, 1_000_001, 1_000_001]);
  assert.ok(window.hasRoom);
});

test('behind a message in flight there is room for as many numbers as have identifiers', () => {
  const { window } = filled(1);
  const entry = new OutboxEntry();
  window.peek(entry, 10);
  window.becomeSent(entry);
  while (window.hasRoom) window.addDone(true);
  assert.is(window.endSeq - window.firstSeq, IDS);
  assert.equal(window.doneSeqs(), [], 'the store knows of them');
  assert.ok(window.onPuback(1));
  assert.is(window.firstSeq, window.endSeq);
});

interface Item {
  readonly seq: number;
  readonly message: Message | null;
  readonly qos: number;
  state: 'queued' | 'sent' | 'released' | 'done' | 'gone';
  wasSent: boolean;
}

/** A window and its model; every command checks that both agree. */
class Checked {
  readonly window: QueueWindow;
  private readonly items: Item[] = [];
  private readonly entry = new OutboxEntry();
  private readonly firstSeq: number;
  private readonly sentBefore: number;
  private nextSeq: number;

  constructor(firstSeq: number, sentBefore: number) {
    this.firstSeq = firstSeq;
    this.sentBefore = firstSeq + sentBefore;
    this.nextSeq = firstSeq;
    this.window = new QueueWindow(firstSeq, this.sentBefore);
  }

  add(kind: 'message' | 'released' | 'done' | 'gone', qos: number): void {
    const { window } = this;
    const seq = this.firstSeq + this.items.length;
    assert.is(window.endSeq, seq);
    const message = kind === 'message' ? messageTo('a', `${seq}`) : null;
    const wasSent = seq < this.sentBefore && qos > 0;
    const state = kind === 'message' ? 'queued' : kind;
    this.items.push({ seq, message, qos: kind === 'released' ? 2 : qos, state, wasSent });
    if (message !== null) {
      window.add(message, qos, false, null, null);
      if (wasSent) window.markSent(seq);
    } else if (kind === 'released') window.addReleased(false);
    else window.addDone(kind === 'gone');
  }

  take(isDropped: boolean, inflightMax: number): void {
    const { window, entry } = this;
    const next = this.items.find(({ state, seq }) => state === 'queued' && seq >= this.nextSeq);
    const hasRoom = this.inState('sent', 'released').length < inflightMax;
    const found = window.peek(entry, inflightMax);
    assert.is(found, next !== undefined && hasRoom);
    if (!found) return;
    const item = next!;
    assert.equal(
      [entry.seq, entry.packetId, entry.qos, entry.dup],
      [item.seq, packetIdOf(item.seq), item.qos, item.wasSent],
    );
    assert.is(entry.message, item.message);
    this.nextSeq = item.seq + 1;
    if (isDropped) window.becomeDropped(entry);
    else window.becomeSent(entry);
    item.state = isDropped || item.qos === 0 ? 'done' : 'sent';
  }

  acknowledge(n: number): void {
    const open = this.inState('sent', 'released');
    if (open.length === 0) return;
    const item = open[n % open.length]!;
    const packetId = packetIdOf(item.seq);
    const { window } = this;
    assert.is(window.seqOf(packetId), item.seq);
    if (item.state === 'released') {
      assert.ok(window.onPubcomp(packetId));
      item.state = 'done';
    } else if (item.qos === 1) {
      assert.ok(window.onPuback(packetId));
      item.state = 'done';
    } else {
      assert.ok(window.onPubrec(packetId));
      item.state = 'released';
    }
  }

  giveUp(n: number): void {
    if (this.items.length === 0) return;
    const item = this.items[n % this.items.length]!;
    const isLost = item.state === 'queued' && !item.wasSent;
    assert.is(this.window.giveUp(item.seq), isLost ? item.message : null);
    if (isLost) item.state = 'gone';
  }

  check(): void {
    const { window, items } = this;
    const isOver = ({ state }: Item): boolean => state === 'done' || state === 'gone';
    const queued = this.inState('queued');
    assert.is(window.queued, queued.length);
    assert.is(
      window.queuedBytes,
      queued.reduce((sum, { message }) => sum + message!.payloadLength, 0),
    );
    assert.is(window.inflight, this.inState('sent', 'released').length);
    // Everything below is done, whatever the window has noticed of it.
    assert.ok(items.every((item) => item.seq >= window.firstSeq || isOver(item)));
    const expected = items.filter(({ seq, state }) => seq >= window.firstSeq && state === 'done');
    assert.equal(
      window.doneSeqs(),
      expected.map(({ seq }) => seq),
    );
    // Who sends looks for more until there is none.
    if (queued.length === 0) assert.not.ok(window.peek(this.entry, IDS));
    if (items.every(isOver)) assert.is(window.firstSeq, window.endSeq);
    assert.ok(window.sentEndSeq >= this.sentBefore && window.sentEndSeq >= this.nextSeq);
    const first = queued[0];
    if (first !== undefined) {
      assert.ok(window.sentEndSeq <= Math.max(first.seq, this.sentBefore), 'it may give way');
    }
  }

  private inState(...states: readonly Item['state'][]): Item[] {
    return this.items.filter(({ state }) => states.includes(state));
  }
}

type Command = (checked: Checked) => void;

const kinds = ['message', 'message', 'message', 'released', 'done', 'gone'] as const;
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.tuple(fc.constantFrom(...kinds), fc.nat(2)).map(
    ([kind, qos]): Command =>
      (checked) =>
        checked.add(kind, qos),
  ),
  fc.tuple(fc.nat(5), fc.constantFrom(1, 3, IDS)).map(
    ([n, max]): Command =>
      (checked) =>
        checked.take(n === 0, max),
  ),
  fc.nat().map(
    (n): Command =>
      (checked) =>
        checked.acknowledge(n),
  ),
  fc.nat().map(
    (n): Command =>
      (checked) =>
        checked.giveUp(n),
  ),
);

test('any commands leave the window as the model has it', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(1, 65_530, 131_071),
      fc.nat(6),
      fc.array(command, { maxLength: 150, size: 'max' }),
      (firstSeq, sentBefore, commands) => {
        const checked = new Checked(firstSeq, sentBefore);
        for (const run of commands) {
          run(checked);
          checked.check();
        }
      },
    ),
    { numRuns: 500 },
  );
});

test.run();
