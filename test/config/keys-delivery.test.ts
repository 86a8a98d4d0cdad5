import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeliveryConfig } from '../../src/config/config.js';
import { defaultLimits, type Limits, limitDefinitions } from '../../src/config/limits.js';
import { configOf, errorOf } from './support.js';

const test = suite('delivery and limit keys');

test('each delivery key sets its field', () => {
  const cases: readonly (readonly [string, keyof DeliveryConfig, unknown])[] = [
    ['allow_duplicate_messages true', 'allowDuplicateMessages', true],
    ['queue_qos0_messages true', 'queueQos0Messages', true],
    ['retain_available false', 'retainAvailable', false],
    ['check_retain_source false', 'checkRetainSource', false],
    ['upgrade_outgoing_qos true', 'upgradeOutgoingQos', true],
    ['persistent_client_expiration 14d', 'persistentClientExpirationS', 14 * 86_400],
    ['max_keepalive 0', 'maxKeepAlive', 0],
    ['shared_subscription_strategy hash_topic', 'sharedSubscriptionStrategy', 'hash_topic'],
    ['queue_full_policy refuse', 'queueFullPolicy', 'refuse'],
  ];
  for (const [line, field, expected] of cases) {
    assert.is(configOf(line).delivery[field], expected, line);
  }
});

test('without keys deliveries are merged and v3 sessions stay for ever', () => {
  assert.equal(configOf('').delivery, {
    allowDuplicateMessages: false,
    queueQos0Messages: false,
    retainAvailable: true,
    checkRetainSource: true,
    upgradeOutgoingQos: false,
    persistentClientExpirationS: Number.POSITIVE_INFINITY,
    maxKeepAlive: 65_535,
    sharedSubscriptionStrategy: 'round_robin',
    queueFullPolicy: 'drop_newest',
  });
});

test('durations take Mosquitto’s units: s, h, d, w, m of 30 and y of 365 days', () => {
  const seconds = { '5s': 5, '2h': 7200, '1d': 86_400, '3w': 1_814_400, '2m': 5_184_000 };
  for (const [text, expected] of Object.entries({ ...seconds, '1y': 31_536_000 })) {
    const { delivery } = configOf(`persistent_client_expiration ${text}`);
    assert.is(delivery.persistentClientExpirationS, expected, text);
  }
  for (const text of ['14', '0d', '-1d', '2 d', 'd', '1D', '1.5d']) {
    assert.match(errorOf(`persistent_client_expiration ${text}`), 'such as 14d');
  }
});

test('every limit takes both ends of its range and nothing beyond its upper end', () => {
  for (const [field, { key, min, max }] of Object.entries(limitDefinitions)) {
    const name = field as keyof Limits;
    assert.is(configOf(`${key} ${min}`).limits[name], min, key);
    assert.is(configOf(`${key} ${max}`).limits[name], max, key);
    if (max === Number.MAX_SAFE_INTEGER || key === 'max_packet_size') continue;
    assert.match(errorOf(`${key} ${max + 1}`), 'expected a whole number from', key);
  }
});

test('limits of our own refuse what is below their range', () => {
  for (const key of ['max_topic_levels', 'receive_maximum', 'connect_timeout_ms']) {
    assert.match(errorOf(`${key} -5`), 'expected a whole number from', key);
  }
});

test('numbers below Mosquitto’s limits mean "no limit", as there', () => {
  const { limits } = configOf(
    'max_inflight_messages -1\nmax_inflight_bytes -1\nmax_queued_messages -5\n' +
      'max_queued_bytes -1\nglobal_max_clients -3\nglobal_max_connections -3\n',
  );

  assert.equal(
    [limits.inflightMessagesMax, limits.inflightBytesMax, limits.queuedMessagesMax],
    [0, 0, 0],
  );
  assert.equal([limits.queuedBytesMax, limits.clientsMax, limits.connectionsMax], [0, -1, -1]);
});

test('max_packet_size is 0 or at least 20, and capped at what the protocol allows', () => {
  assert.is(configOf('').limits.packetBytesMax, 2_000_000);
  assert.is(configOf('max_packet_size 20').limits.packetBytesMax, 20);
  assert.is(configOf('max_packet_size 2147483647').limits.packetBytesMax, 268_435_460);
  assert.match(errorOf('max_packet_size 19'), 'expected 0, or a whole number from 20 to 268435460');
  assert.match(errorOf('max_packet_size -1'), 'max_packet_size "-1" is not valid');
});

test('the limits of an empty file are the defaults', () => {
  assert.equal(configOf('').limits, defaultLimits());
});

test('bad choices are errors that list the right ones', () => {
  assert.match(
    errorOf('shared_subscription_strategy hash'),
    'expected one of round_robin, random, sticky, hash_client, hash_topic, local',
  );
  assert.match(
    errorOf('queue_full_policy drop'),
    'expected one of drop_newest, drop_oldest, refuse',
  );
});

test.run();
