import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { configOf, errorOf, warningsOf } from './support.js';

const test = suite('log keys');

test('without keys the log goes to stderr with Mosquitto’s four types', () => {
  const { log } = configOf('');

  assert.equal(log, {
    destinations: [{ kind: 'stderr' }],
    types: ['error', 'warning', 'notice', 'information'],
    timestamp: true,
    timestampFormat: null,
    facility: 3,
    connectionMessages: true,
  });
});

test('log_dest adds up, and replaces stderr', () => {
  const text = 'log_dest stdout # all\nlog_dest file /var/log/tide wire.log\nlog_dest topic\n';

  assert.equal(configOf(`${text}log_dest syslog\nlog_dest stdout\n`).log.destinations, [
    { kind: 'stdout' },
    { kind: 'file', path: '/var/log/tide wire.log' },
    { kind: 'topic' },
    { kind: 'syslog' },
  ]);
  assert.equal(warningsOf(text), []);
});

test('log_dest none drops what was there', () => {
  assert.equal(configOf('log_dest stdout\nlog_dest none').log.destinations, []);
  assert.equal(configOf('log_dest none\nlog_dest stdout').log.destinations, [{ kind: 'stdout' }]);
});

test('log_dest dlt and android are reported and do not silence stderr', () => {
  assert.equal(configOf('log_dest dlt').log.destinations, [{ kind: 'stderr' }]);
  assert.equal(warningsOf('log_dest android'), [
    '1 log_dest: log_dest android is not supported: use stderr, syslog or file',
  ]);
});

test('log_dest file needs one path', () => {
  assert.is(errorOf('log_dest file'), 'm.conf:1: "log_dest file" needs the path of a file');
  assert.match(
    errorOf('log_dest file /a\nlog_dest file /b'),
    'm.conf:2: there is a "log_dest file"',
  );
  assert.match(errorOf('log_dest console'), 'or file PATH');
  assert.match(warningsOf('log_dest stdout stderr')[0], '"stderr" is ignored');
});

test('log_type adds up; none and all replace', () => {
  const types = (text: string) => configOf(text).log.types;

  assert.equal(types('log_type debug'), ['debug']);
  assert.equal(types('log_type error\nlog_type subscribe\nlog_type error'), ['error', 'subscribe']);
  assert.equal(types('log_type all\nlog_type none'), []);
  assert.equal(types('log_type none\nlog_type debug'), ['debug']);
  assert.is(types('log_type debug\nlog_type all').length, 9);
  assert.match(errorOf('log_type info'), 'log_type "info" is not valid: expected one of none, all');
});

test('the other keys set their fields', () => {
  const { log, sysInterval } = configOf(
    'log_timestamp false\nlog_timestamp_format %Y-%m-%d %H:%M\nlog_facility 5\n' +
      'connection_messages false\nsys_interval 0\n',
  );

  assert.is(log.timestamp, false);
  assert.is(log.timestampFormat, '%Y-%m-%d %H:%M');
  assert.is(log.facility, 21);
  assert.is(log.connectionMessages, false);
  assert.is(sysInterval, 0);
  assert.match(errorOf('log_facility 8'), 'expected a whole number from 0 to 7');
  assert.match(errorOf('sys_interval 65536'), 'expected a whole number from 0 to 65535');
});

test.run();
