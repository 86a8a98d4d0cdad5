import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultHistory } from '../../src/config/history-config.js';
import { planReload } from '../../src/config/reload.js';
import { configOf, errorOf, warningsOf } from './support.js';

const test = suite('keys of the history');

const redis = 'store redis\nredis_nodes h:1\n';

test('without a line there is no history and no presence', () => {
  assert.equal(configOf('').history, defaultHistory());
  assert.equal([defaultHistory().filters, defaultHistory().hasPresence], [[], false]);
});

test('each key is read', () => {
  const { history } = configOf(
    `${redis}history_filter sensors/#\nhistory_filter a b/+/c\nhistory_filter sensors/#\n` +
      'history_max_age_qos0 60\nhistory_max_age_qos1 3600\nhistory_max_age_qos2 0\n' +
      'history_max_bytes 1000000\nhistory_max_messages 5000\nhistory_partitions 4\n' +
      'history_acknowledged true\nhistory_buffer_bytes 65536\n' +
      'presence_stream true\npresence_max_events 50\n',
  );
  assert.equal(history, {
    filters: ['sensors/#', 'a b/+/c'],
    maxAgeQos0S: 60,
    maxAgeQos1S: 3_600,
    maxAgeQos2S: 0,
    maxBytes: 1_000_000,
    maxMessages: 5_000,
    partitions: 4,
    isAcknowledged: true,
    bufferBytes: 65_536,
    hasPresence: true,
    presenceMaxEvents: 50,
  });
});

test('in the environment filters are separated by commas', () => {
  const environment = { TIDEWIRE_HISTORY_FILTER: 'a/#, b/+' };
  assert.equal(configOf(redis, { environment }).history.filters, ['a/#', 'b/+']);
});

test('what is no filter of messages is an error', () => {
  for (const filter of ['a/#/b', 'a+', '#a', '$SYS/#', '$SYS', '$share/g/a']) {
    assert.match(
      errorOf(`${redis}history_filter ${filter}\n`),
      `m.conf:3: history_filter "${filter}" is not valid: expected a topic filter`,
    );
  }
  assert.equal(configOf(`${redis}history_filter $other/+\n`).history.filters, ['$other/+']);
});

test('without Redis it is an error that says what to do', () => {
  for (const line of ['history_filter a/#', 'presence_stream true']) {
    const [key] = line.split(' ');
    assert.is(
      errorOf(`store memory\n${line}\n`),
      `m.conf:2: ${key} needs "store redis": brokers keep it in Redis: add "store redis", ` +
        'or remove the line',
    );
  }
  assert.is(configOf('presence_stream false\n').history.hasPresence, false);
});

test('numbers out of their range are errors', () => {
  for (const [line, range] of [
    ['history_partitions 0', 'from 1 to 256'],
    ['history_partitions 257', 'from 1 to 256'],
    ['history_max_age_qos0 -1', 'from 0'],
    ['presence_max_events 0', 'from 1'],
    ['history_buffer_bytes 10', 'from 65536'],
  ] as const) {
    assert.match(errorOf(`${redis}${line}\n`), range, line);
  }
});

test('a key that has no effect is warned of', () => {
  assert.equal(warningsOf(`${redis}history_max_bytes 5\npresence_max_events 7\n`), [
    '3 history_max_bytes: no effect: there is no history_filter',
    '4 presence_max_events: no effect: there is no "presence_stream true"',
  ]);
});

test('changes need a restart', () => {
  const before = configOf(`${redis}listener 1\n`);
  const after = configOf(
    `${redis}history_filter a\nhistory_max_age_qos1 5\npresence_stream true\nlistener 1\n`,
  );
  const { applied, config, restart } = planReload(before, after);
  assert.equal(applied, []);
  assert.equal([...restart].sort(), ['history_filter', 'history_max_age_qos1', 'presence_stream']);
  assert.equal(config.history, before.history);
});

test.run();
