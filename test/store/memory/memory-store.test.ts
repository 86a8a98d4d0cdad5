/** The memory store keeps the contract, and calls back when its scheduler says so. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../src/base/clock.js';
import { emptyWrite } from '../../../src/store/answers.js';
import { MemoryStore } from '../../../src/store/memory/memory-store.js';
import { addStoreContract } from '../support/contract.js';
import { Loaded, StoreDriver } from '../support/driver.js';
import { createMemoryHarness } from '../support/memory-harness.js';

const test = suite('memory store');

addStoreContract(test, () => createMemoryHarness());

test('completions come when the scheduler says so', async () => {
  const tasks: (() => void)[] = [];
  const schedule = (task: () => void) => {
    tasks.push(task);
  };
  const store = new MemoryStore({ clock: new FakeClock(), schedule });
  await store.open(new Loaded());
  const done: string[] = [];
  const onDone = () => done.push('session');
  store.write({
    sessions: [{ ...emptyWrite('c'), onDone }],
    retained: [
      { topic: 't', record: null, onlyExpired: false, onDone: () => done.push('retained') },
    ],
  });

  assert.equal(done, []);
  tasks.shift()!();
  assert.equal(done, ['session']);
  tasks.shift()!();
  assert.equal(done, ['session', 'retained']);
});

test('its figures count sessions, messages, their bytes and retained messages', async () => {
  const store = new MemoryStore({ clock: new FakeClock() });
  await store.open(new Loaded());
  assert.equal(store.figures(), { sessions: 0, retained: 0, messages: 0, bytes: 0 });
  const driver = new StoreDriver(store);
  await driver.claim('c');
  await driver.append('c', ['12345', '67']);
  await driver.retain('t', 'x');

  assert.equal(store.figures(), { sessions: 1, retained: 1, messages: 2, bytes: 7 });
});

test.run();
