import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Deadline, DeadlineHeap } from '../../src/base/deadline-heap.js';
import { forAll } from '../protocol/support/for-all.js';

const test = suite('deadline heap');

class Item implements Deadline {
  deadlineMs = 0;
  heapIndex = -1;
  readonly id: number;
  private readonly onFire: (item: Item, nowMs: number) => void;

  constructor(id: number, onFire: (item: Item, nowMs: number) => void) {
    this.id = id;
    this.onFire = onFire;
  }

  onDeadline(nowMs: number): void {
    this.onFire(this, nowMs);
  }
}

test('an empty heap has no next deadline and fires nothing', () => {
  const heap = new DeadlineHeap();
  assert.is(heap.nextMs, Number.POSITIVE_INFINITY);
  assert.is(heap.size, 0);
  assert.not.throws(() => heap.advance(1e9));
});

test('a deadline fires once, at its time and not before', () => {
  const fired: number[] = [];
  const heap = new DeadlineHeap();
  heap.schedule(new Item(1, (_, nowMs) => fired.push(nowMs)), 100);

  heap.advance(99.9);
  assert.equal(fired, []);
  heap.advance(100);
  heap.advance(1_000);

  assert.equal(fired, [100]);
  assert.is(heap.size, 0);
});

test('an item that was never scheduled, or has fired, can be cancelled', () => {
  const heap = new DeadlineHeap();
  const item = new Item(1, () => undefined);
  heap.cancel(item);
  heap.schedule(item, 5);
  heap.advance(5);
  heap.cancel(item);
  assert.is(item.heapIndex, -1);
  assert.is(heap.size, 0);
});

test('an item may schedule itself again while it fires', () => {
  const fired: number[] = [];
  const heap = new DeadlineHeap();
  const item = new Item(1, (self, nowMs) => {
    fired.push(nowMs);
    if (fired.length < 3) heap.schedule(self, nowMs + 10);
  });
  heap.schedule(item, 10);
  for (let nowMs = 0; nowMs <= 50; nowMs++) heap.advance(nowMs);
  assert.equal(fired, [10, 20, 30]);
});

test('an item that fires may cancel one that is due as well', () => {
  const fired: number[] = [];
  const heap = new DeadlineHeap();
  const second = new Item(2, () => fired.push(2));
  const first = new Item(1, () => {
    fired.push(1);
    heap.cancel(second);
  });
  heap.schedule(second, 8);
  heap.schedule(first, 7);
  heap.advance(10);
  assert.equal(fired, [1]);
});

type Command = readonly ['schedule' | 'cancel' | 'advance', number, number];

const commands = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.tuple(fc.constant('schedule'), fc.nat(30), fc.nat(200)) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('cancel'), fc.nat(30), fc.constant(0)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('advance'), fc.nat(60), fc.constant(0)) },
  ),
  { maxLength: 200 },
) as fc.Arbitrary<Command[]>;

test('any mix of schedule, cancel and advance does what a sorted list does', () => {
  forAll(
    commands,
    (steps) => {
      const heap = new DeadlineHeap();
      const model = new Map<number, number>();
      const fired: number[] = [];
      const items = Array.from({ length: 31 }, (_, id) => new Item(id, () => fired.push(id)));
      let nowMs = 0;
      for (const [what, value, afterMs] of steps) {
        if (what === 'schedule') {
          heap.schedule(items[value], nowMs + afterMs);
          model.set(value, nowMs + afterMs);
        } else if (what === 'cancel') {
          heap.cancel(items[value]);
          model.delete(value);
        } else {
          nowMs += value;
          fired.length = 0;
          heap.advance(nowMs);
          const due = [...model].filter(([, atMs]) => atMs <= nowMs);
          // Equal deadlines may fire in any order.
          const times = fired.map((id) => model.get(id) as number);
          assert.equal(
            times,
            times.slice().sort((a, b) => a - b),
          );
          assert.equal(fired.slice().sort(byNumber), due.map(([id]) => id).sort(byNumber));
          for (const [id] of due) model.delete(id);
        }
        assert.is(heap.size, model.size);
        assert.is(heap.nextMs, Math.min(Number.POSITIVE_INFINITY, ...model.values()));
        for (const item of items) assert.is(item.heapIndex >= 0, model.has(item.id));
      }
    },
    { runs: 300 },
  );
});

function byNumber(a: number, b: number): number {
  return a - b;
}

test.run();
