import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLog } from '../../src/base/log.js';

const test = suite('log');

test('the silent log takes every event and says that no level goes anywhere', () => {
  for (const level of ['debug', 'information', 'notice', 'warning', 'error'] as const) {
    assert.is(silentLog.enabled(level), false);
    assert.not.throws(() => silentLog.write(level, 'client connected', { clientId: 'a' }));
  }
});

test.run();
