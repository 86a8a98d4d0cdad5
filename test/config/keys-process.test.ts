import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { configOf, errorOf } from './support.js';

const test = suite('process keys');

test('each key sets its field', () => {
  const config = configOf('pid_file /run/my broker.pid\nuser mosquitto\nset_tcp_nodelay true\n');

  assert.is(config.pidFile, '/run/my broker.pid');
  assert.is(config.user, 'mosquitto');
  assert.is(config.setTcpNodelay, true);
});

test('a bad value is an error', () => {
  assert.match(errorOf('set_tcp_nodelay on'), 'm.conf:1: set_tcp_nodelay "on" is not valid');
  assert.match(errorOf('pid_file /a\npid_file /b'), 'm.conf:2: pid_file was given before');
});

test.run();
