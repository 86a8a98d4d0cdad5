/** The disk store does what the memory store does, over restarts and crashes. */
import { suite } from 'uvu';
import { FakeClock } from '../../../src/base/clock.js';
import { createDiskHarness } from '../support/disk-harness.js';
import { createMemoryHarness } from '../support/memory-harness.js';
import { checkAgainstModel } from '../support/model.js';

const test = suite('disk store and the memory store');

const options = {
  createModel: createMemoryHarness,
  newClock: () => new FakeClock(),
  timeLimitMs: 4_500,
  runs: 400,
};

test('random commands have the same answers', () =>
  checkAgainstModel({
    ...options,
    create: (clock) => createDiskHarness({ clock, segmentBytes: 2 * 1024 }),
  }));

test('random commands have the same answers when little goes into the database', () =>
  checkAgainstModel({
    ...options,
    create: (clock) => createDiskHarness({ clock, segmentBytes: 256 * 1024 }),
  }));

test.run();
