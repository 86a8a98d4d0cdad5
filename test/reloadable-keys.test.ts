/**
 * Every key that the reload plan says it applies is seen to change something under a running
 * broker. A new key without such an observation fails here.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { reloadableKeys } from '../src/config/reload.js';
import { accessKeys } from './reload/access-keys.js';
import { clusterKeys } from './reload/cluster-keys.js';
import { coreKeys } from './reload/core-keys.js';
import { limitKeys, sysKeys, tlsKeys } from './reload/edge-keys.js';
import { logKeys } from './reload/log-keys.js';
import { storeKeys } from './reload/store-keys.js';

const test = suite('reloadable keys');

const observations = {
  ...coreKeys,
  ...limitKeys,
  ...tlsKeys,
  ...accessKeys,
  ...logKeys,
  ...sysKeys,
  ...storeKeys,
  ...clusterKeys,
};

test('each reloadable key has an observation, and nothing else has', () => {
  assert.equal(Object.keys(observations).sort(), [...reloadableKeys].sort());
});

for (const [key, observe] of Object.entries(observations)) {
  test(`${key} takes effect at SIGHUP`, async () => {
    await observe();
  });
}

test.run();
