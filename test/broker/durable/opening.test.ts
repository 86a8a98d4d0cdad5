/** A store that could not be loaded to its end, and is opened again. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Assembly } from '../../../src/assembly.js';
import { FakeClock } from '../../../src/base/clock.js';
import { defaultConfig, defaultListener } from '../../../src/config/defaults.js';
import type { StoreLoader } from '../../../src/store/store.js';
import { until } from '../../support/until.js';
import { ControlledStore } from './support/controlled-store.js';
import { DurableBroker } from './support/durable-broker.js';

const test = suite('durable: opening again');

/** Fails the first time, once all is loaded. */
class ShakyStore extends ControlledStore {
  failed: StoreLoader | null = null;

  override async open(loader: StoreLoader): Promise<void> {
    await super.open(loader);
    if (this.failed !== null) return;
    this.failed = loader;
    throw new Error('away');
  }
}

/** A store with an offline subscriber of `a`, who has a will. */
async function shakyStore(): Promise<ShakyStore> {
  const broker = await DurableBroker.start();
  const client = await broker.durable('s', {
    properties: { sessionExpiryInterval: 3_600 },
    will: { topic: 'w', payload: Buffer.from('will'), qos: 1, retain: false },
  });
  await broker.subscribe(client, 'a');
  return new ShakyStore(new FakeClock(), {}, broker.store.medium);
}

test('sessions are there once, and get what is published once', async () => {
  const store = await shakyStore();
  const assembly = new Assembly({ ...defaultConfig(), listeners: [] }, { store });
  const { core } = assembly;
  try {
    const failing = assembly.openStore(defaultListener({}));
    assert.is(await failing.catch((error: Error) => error.message), 'away');
    assert.equal([core.sessions.size, core.deadlines.size], [0, 0]);

    await assembly.openStore(defaultListener({}));
    // A call of the first time that is still on its way.
    const late = { filter: 'a', options: 1, identifier: 0 };
    store.failed!.onSubscription('s', late);
    store.failed!.onRetained('r', Buffer.alloc(0));
    assert.is(core.sessions.size, 1);

    core.publish('a', Buffer.from('one'), { qos: 1, retain: false });
    await until('the message', () => store.figures().messages! > 0);
    assert.is(store.figures().messages, 1);
  } finally {
    await assembly.close();
  }
});

test.run();
