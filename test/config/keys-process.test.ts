import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { configOf, errorOf, warningsOf } from './support.js';

const test = suite('process and store keys');

test('each key sets its field', () => {
  const config = configOf(
    'pid_file /run/my broker.pid\nuser mosquitto\nset_tcp_nodelay true\nstore memory\n',
  );

  assert.is(config.pidFile, '/run/my broker.pid');
  assert.is(config.user, 'mosquitto');
  assert.is(config.setTcpNodelay, true);
  assert.equal(config.store, { kind: 'memory' });
});

test('stores that do not exist yet are errors that name the one that does', () => {
  for (const kind of ['disk', 'redis']) {
    assert.is(
      errorOf(`store ${kind}`),
      `m.conf:1: store ${kind} is not available in this version: the only store is memory`,
    );
  }
});

test('persistence false and retained_persistence false ask for nothing', () => {
  assert.equal(warningsOf('persistence false\nautosave_on_changes true\n'), []);
  assert.equal(warningsOf('retained_persistence false'), []);
});

test('persistence keys are checked though they have no effect yet', () => {
  assert.match(errorOf('persistence on'), 'expected true or false');
  assert.match(errorOf('autosave_interval often'), 'expected a whole number');
  assert.match(errorOf('persistence_file a\npersistence_file b'), 'was given before');
});

test.run();
