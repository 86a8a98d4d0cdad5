/** When a broker has heard what was said to it before. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../../src/base/clock.js';
import { Hearing, type NoteLane } from '../../../../src/store/redis/fabric/hearing.js';
import { HEARING_MS, INBOX_LOOK_MS } from '../../../../src/store/redis/tuning.js';

const test = suite('hearing');

function setup() {
  const clock = new FakeClock();
  const notes: number[] = [];
  const refusals: ((() => void) | null)[] = [];
  let gone = 0;
  const lane: NoteLane = {
    pendingBytes: 0,
    add: (frame, _onDone, onGone) => {
      assert.is(frame.kind, 'note');
      if (frame.kind === 'note') notes.push(frame.number);
      refusals.push(onGone);
    },
    end: () => undefined,
  };
  const hearing = new Hearing(clock, lane, () => gone++);
  const heard: string[] = [];
  const hear = (name: string): void => {
    void hearing.hear()?.then(() => heard.push(name));
  };
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { clock, hearing, notes, refusals, heard, hear, settled, gone: () => gone };
}

test('one note serves all who came before it, the next one those who came since', async () => {
  const { hear, heard, hearing, notes, settled } = setup();
  hear('a');
  hear('b');
  hear('c');
  assert.equal(notes, [1]);
  hearing.onNote(1);
  await settled();
  assert.equal(heard, ['a']);
  assert.equal(notes, [1, 2]);
  hearing.onNote(2);
  await settled();
  assert.equal(heard, ['a', 'b', 'c']);
});

test('an inbox that is read late is heard with the first note', async () => {
  const { clock, hear, heard, hearing, notes, settled } = setup();
  hear('a');
  for (let second = 0; second < 3; second++) {
    clock.advance(HEARING_MS);
    hearing.tick(true);
  }
  assert.equal(notes, [1, 2, 3, 4]);
  hear('b');
  hearing.onNote(1);
  await settled();
  assert.equal(heard, ['a']);
  assert.equal(notes, [1, 2, 3, 4, 5]);
  // They were sent before `b` asked.
  for (const number of [2, 3, 4]) hearing.onNote(number);
  await settled();
  assert.equal(heard, ['a']);
  hearing.onNote(5);
  await settled();
  assert.equal(heard, ['a', 'b']);
});

test('with others around it looks every now and then whether there still is an inbox', () => {
  const { clock, gone, hearing, notes, refusals } = setup();
  clock.advance(INBOX_LOOK_MS);
  hearing.tick(false);
  assert.equal(notes, []);
  hearing.tick(true);
  assert.equal(notes, [1]);
  refusals[0]?.();
  assert.is(gone(), 1);
  hearing.stop();
  refusals[0]?.();
  assert.is(gone(), 1, 'that life is over');
});

test('at the end of a life nobody waits any more', async () => {
  const { hear, heard, hearing, settled } = setup();
  hear('a');
  hear('b');
  hearing.stop();
  await settled();
  assert.equal(heard, ['a', 'b']);
  assert.is(hearing.hear(), null);
});

test.run();
