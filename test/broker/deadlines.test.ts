/** The deadline heap under the core's use of it, against a sorted list. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Deadline, DeadlineHeap } from '../../src/base/deadline-heap.js';

const test = suite('deadlines');

class Item implements Deadline {
  deadlineMs = 0;
  heapIndex = -1;
  readonly fired: number[] = [];
  private readonly again: (item: Item) => void;

  constructor(again: (item: Item) => void = () => undefined) {
    this.again = again;
  }

  onDeadline(nowMs: number): void {
    this.fired.push(nowMs);
    this.again(this);
  }
}

type Step = readonly ['schedule' | 'cancel' | 'advance', number, number];

test('random schedules, moves, cancels and advances fire what is due, and only that', () => {
  const step: fc.Arbitrary<Step> = fc.tuple(
    fc.constantFrom('schedule', 'schedule', 'cancel', 'advance'),
    fc.nat(9),
    fc.nat(50),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
      const heap = new DeadlineHeap();
      const items = Array.from({ length: 10 }, () => new Item());
      const model = new Map<Item, number>();
      let nowMs = 0;
      for (const [what, index, ms] of steps) {
        const item = items[index]!;
        if (what === 'schedule') {
          heap.schedule(item, nowMs + ms);
          model.set(item, nowMs + ms);
        } else if (what === 'cancel') {
          heap.cancel(item);
          model.delete(item);
        } else {
          nowMs += ms;
          heap.advance(nowMs);
          for (const one of items) {
            const isDue = (model.get(one) ?? Number.POSITIVE_INFINITY) <= nowMs;
            assert.equal(one.fired.splice(0), isDue ? [nowMs] : []);
            if (isDue) model.delete(one);
          }
        }
        assert.is(heap.size, model.size);
        assert.is(heap.nextMs, Math.min(...model.values()));
      }
    }),
    { numRuns: 300 },
  );
});

test('earlier deadlines fire first, and one may set, move or cancel others', () => {
  const heap = new DeadlineHeap();
  const order: string[] = [];
  const late = new Item(() => order.push('late'));
  const cancelled = new Item(() => order.push('cancelled'));
  const moved = new Item(() => order.push('moved'));
  const first = new Item((item) => {
    order.push('first');
    heap.cancel(cancelled);
    heap.schedule(moved, 30);
    if (item.fired.length === 1) heap.schedule(item, 15);
  });
  heap.schedule(late, 20);
  heap.schedule(cancelled, 12);
  heap.schedule(moved, 12);
  heap.schedule(first, 10);
  heap.advance(25);
  assert.equal(order, ['first', 'first', 'late']);
  heap.advance(30);
  assert.equal(order, ['first', 'first', 'late', 'moved']);
  assert.is(heap.size, 0);
});

test.run();
