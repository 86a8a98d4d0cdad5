/** Who waits for what the other brokers do not know yet. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Announcements } from '../../src/cluster/announcements.js';

const test = suite('announcements');

test('nobody waits when there is nothing to wait for', () => {
  let calls = 0;
  new Announcements().whenKnown(() => calls++);
  assert.is(calls, 1);
});

test('who waits is called when all that was begun before is known, in whatever order', () => {
  const announcements = new Announcements();
  const log: string[] = [];
  const first = announcements.begin();
  const second = announcements.begin();
  announcements.whenKnown(() => log.push('both'));
  const third = announcements.begin();
  announcements.whenKnown(() => log.push('all'));
  second();
  assert.equal(log, []);
  first();
  assert.equal(log, ['both']);
  third();
  assert.equal(log, ['both', 'all']);
});

test('those who wait are called in the order in which they came', () => {
  const announcements = new Announcements();
  const log: number[] = [];
  const done = announcements.begin();
  for (let index = 0; index < 5; index++) announcements.whenKnown(() => log.push(index));
  done();
  assert.equal(log, [0, 1, 2, 3, 4]);
});

test.run();
