import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ListenerConfig } from '../../src/config/config.js';
import { configOf, errorOf, listenerOf, warningsOf } from './support.js';

const test = suite('listener keys');

const withKey = (line: string): ListenerConfig => listenerOf(`listener 1884\n${line}\n`);

test('each key sets its field', () => {
  const cases: readonly (readonly [string, keyof ListenerConfig, unknown])[] = [
    ['protocol websockets', 'protocol', 'websockets'],
    ['protocol mqtt', 'protocol', 'mqtt'],
    ['socket_domain ipv6', 'socketDomain', 'ipv6'],
    ['bind_interface eth0', 'bindInterface', 'eth0'],
    ['accept_protocol_versions 5', 'acceptProtocolVersions', [5]],
    ['accept_protocol_versions 4, 3 # old', 'acceptProtocolVersions', [3, 4]],
    ['enable_proxy_protocol 1', 'proxyProtocol', 1],
    ['enable_proxy_protocol 2', 'proxyProtocol', 2],
    ['max_connections 20', 'maxConnections', 20],
    ['max_connections -7', 'maxConnections', -1],
    ['mount_point site one/', 'mountPoint', 'site one/'],
    ['max_qos 0', 'maxQos', 0],
    ['maximum_qos 1', 'maxQos', 1],
    ['max_topic_alias 65535', 'maxTopicAlias', 65_535],
    ['max_topic_alias_broker 0', 'maxTopicAliasBroker', 0],
    ['use_username_as_clientid true', 'useUsernameAsClientId', true],
    ['websockets_headers_size 8192', 'websocketsHeadersSize', 8192],
    ['websockets_headers_size 0', 'websocketsHeadersSize', 4096],
    ['http_dir /srv/www files', 'httpDir', '/srv/www files'],
  ];
  for (const [line, field, expected] of cases) assert.equal(withKey(line)[field], expected, line);
});

test('without keys a listener has Mosquitto’s defaults', () => {
  const { access, name, ...listener } = listenerOf('listener 1884');

  assert.is(name, '*:1884');
  assert.is(access.autoIdPrefix, 'auto-');
  assert.equal(listener, {
    port: 1884,
    host: null,
    socketPath: null,
    bindInterface: null,
    socketDomain: null,
    protocol: 'mqtt',
    acceptProtocolVersions: [3, 4, 5],
    proxyProtocol: 0,
    maxConnections: -1,
    mountPoint: '',
    maxQos: 2,
    maxTopicAlias: 10,
    maxTopicAliasBroker: 10,
    tls: null,
    useIdentityAsUsername: false,
    useSubjectAsUsername: false,
    useUsernameAsClientId: false,
    websocketsHeadersSize: 4096,
    websocketsOrigins: [],
    httpDir: null,
  });
});

test('websockets_origin may come any number of times', () => {
  const text = 'protocol websockets\nwebsockets_origin https://a\nwebsockets_origin https://b';
  assert.equal(withKey(text).websocketsOrigins, ['https://a', 'https://b']);
});

test('websockets_headers_size is global: it counts for listeners above it too', () => {
  const { listeners } = configOf('listener 1\nlistener 2\nwebsockets_headers_size 100\n');
  assert.equal(
    listeners.map((one) => one.websocketsHeadersSize),
    [100, 100],
  );
});

test('bad values are errors that say what is right', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['protocol mqttsn', 'protocol "mqttsn" is not valid: expected one of mqtt, websockets'],
    ['socket_domain v4', 'expected one of ipv4, ipv6'],
    ['accept_protocol_versions 6', 'expected some of 3, 4 and 5, separated by commas'],
    ['accept_protocol_versions 3 to 5', 'expected some of 3, 4 and 5'],
    ['accept_protocol_versions #5', 'expected some of 3, 4 and 5'],
    ['enable_proxy_protocol 3', 'expected one of 1, 2'],
    ['enable_proxy_protocol true', 'expected one of 1, 2'],
    ['max_connections many', 'expected a whole number from -1'],
    ['mount_point a/+/b', 'expected a topic prefix without + and #'],
    ['max_qos 3', 'expected one of 0, 1, 2'],
    ['max_topic_alias 65536', 'expected a whole number from 0 to 65535'],
    ['use_username_as_clientid yes', 'expected true or false'],
    ['websockets_headers_size 65536', 'expected a whole number from 0 to 65535'],
    ['proxy_protocol_v2_require_tls true', 'not supported: let the proxy itself refuse'],
  ];
  for (const [line, expected] of cases) {
    const error = errorOf(`listener 1\n${line}\n`);
    assert.ok(error.startsWith('m.conf:2: '), error);
    assert.match(error, expected);
  }
});

test('ports are checked where they stand', () => {
  assert.match(errorOf('listener 65536'), 'm.conf:1: listener "65536" is not valid');
  assert.match(errorOf('listener -1'), 'm.conf:1: listener "-1" is not valid');
  assert.match(errorOf('listener mqtt'), 'm.conf:1: listener "mqtt" is not valid');
  assert.match(errorOf('port 0'), 'port "0" is not valid: expected a whole number from 1 to 65535');
});

test('socket_domain must fit a numeric address', () => {
  assert.match(errorOf('listener 1 127.0.0.1\nsocket_domain ipv6'), 'does not fit');
  assert.match(errorOf('listener 1 ::1\nsocket_domain ipv4'), 'does not fit');
  assert.is(listenerOf('listener 1 localhost\nsocket_domain ipv4').socketDomain, 'ipv4');
});

test('proxy_protocol_v2_require_tls false asks for nothing', () => {
  assert.equal(warningsOf('listener 1\nproxy_protocol_v2_require_tls false\n'), []);
});

test.run();
