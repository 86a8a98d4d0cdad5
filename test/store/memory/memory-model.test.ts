/** The memory store does what a plain, slow model does. */
import { suite } from 'uvu';
import { FakeClock } from '../../../src/base/clock.js';
import { createMemoryHarness } from '../support/memory-harness.js';
import { checkAgainstModel } from '../support/model.js';
import { createPlainHarness } from '../support/plain-harness.js';

const test = suite('memory store and its model');

test('random commands have the same answers', () =>
  checkAgainstModel({
    create: createMemoryHarness,
    createModel: createPlainHarness,
    newClock: () => new FakeClock(),
    timeLimitMs: 8_000,
    runs: 400,
  }));

test.run();
