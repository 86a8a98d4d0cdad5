import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type BridgeConfig, EXPIRY_NEVER } from '../../src/config/bridge-config.js';
import { planReload } from '../../src/config/reload.js';
import { configOf, errorOf, memoryFiles, parse, warningsOf } from './support.js';

const test = suite('keys of bridges');

const head = 'connection b\naddress 10.0.0.1\ntopic #\n';

function bridgeOf(lines = '', start = head): BridgeConfig {
  const { bridges } = configOf(`${start}${lines}`);
  assert.is(bridges.length, 1);
  return bridges[0]!;
}

test('what a bridge is when only the necessary is given', () => {
  const { topics, ...rest } = bridgeOf();

  assert.equal(rest, {
    name: 'b',
    addresses: [{ host: '10.0.0.1', port: 1883 }],
    roundRobin: false,
    protocolVersion: 4,
    remoteClientId: 'host.b',
    remoteUsername: null,
    remotePassword: null,
    localClientId: 'local.host.b',
    localUsername: null,
    localPassword: null,
    cleanSession: false,
    localCleanSession: false,
    keepAliveS: 60,
    startType: 'automatic',
    idleTimeoutS: 60,
    threshold: 10,
    restart: { baseS: 5, capS: 30 },
    tryPrivate: true,
    notifications: 'both',
    notificationTopic: '$SYS/broker/connection/host.b/state',
    tls: null,
    attemptUnsubscribe: true,
    outgoingRetain: true,
    bindAddress: null,
    maxPacketSize: 0,
    receiveMaximum: 0,
    sessionExpiryS: EXPIRY_NEVER,
    reloadType: 'lazy',
  });
  assert.equal(topics, [
    {
      direction: 'out',
      qos: 0,
      localPrefix: '',
      remotePrefix: '',
      localFilter: '#',
      remoteFilter: '#',
      shareName: null,
    },
  ]);
});

test('a broker without a connection line has no bridge', () => {
  assert.equal(configOf('').bridges, []);
});

const everyLine = `
connection b
addresses 10.0.0.1 b.example:1884
topic #
round_robin true
remote_clientid rc
remote_username ru
remote_password rp
local_clientid lc
local_username lu
local_password lp
cleansession true
local_cleansession false
keepalive_interval 10
start_type lazy
idle_timeout 7
threshold 3
restart_timeout 10 30
try_private false
notifications_local_only true
notification_topic bridges/b
bridge_protocol_version mqttv50
bridge_attempt_unsubscribe false
bridge_outgoing_retain false
bridge_bind_address 127.0.0.1
bridge_max_packet_size 1000
bridge_receive_maximum 20
bridge_session_expiry_interval 3600
bridge_reload_type immediate
`;

test('every value is taken as it is given', () => {
  const bridge = bridgeOf('', everyLine);

  const { topics, tls, name, ...rest } = bridge;
  assert.equal(rest, {
    addresses: [
      { host: '10.0.0.1', port: 1883 },
      { host: 'b.example', port: 1884 },
    ],
    roundRobin: true,
    remoteClientId: 'rc',
    remoteUsername: 'ru',
    remotePassword: 'rp',
    localClientId: 'lc',
    localUsername: 'lu',
    localPassword: 'lp',
    cleanSession: true,
    localCleanSession: false,
    keepAliveS: 10,
    startType: 'lazy',
    idleTimeoutS: 7,
    threshold: 3,
    restart: { baseS: 10, capS: 30 },
    tryPrivate: false,
    notifications: 'local',
    notificationTopic: 'bridges/b',
    protocolVersion: 5,
    attemptUnsubscribe: false,
    outgoingRetain: false,
    bindAddress: '127.0.0.1',
    maxPacketSize: 1000,
    receiveMaximum: 20,
    sessionExpiryS: 3600,
    reloadType: 'immediate',
  });
});

test('the older names mean the same', () => {
  const { remoteClientId, remoteUsername, remotePassword } = bridgeOf(
    'clientid c\nusername u\npassword p\n',
  );

  assert.equal([remoteClientId, remoteUsername, remotePassword], ['c', 'u', 'p']);
});

test('the local session is as clean as the remote one, unless it is said', () => {
  assert.is(bridgeOf('cleansession true').localCleanSession, true);
  assert.is(bridgeOf('local_cleansession true').localCleanSession, true);
  assert.is(bridgeOf('local_cleansession true').cleanSession, false);
});

test('protocol versions have Mosquitto’s names', () => {
  assert.is(bridgeOf('bridge_protocol_version mqttv31').protocolVersion, 3);
  assert.is(bridgeOf('bridge_protocol_version mqttv311').protocolVersion, 4);
  assert.match(errorOf(`${head}bridge_protocol_version 5`), 'one of mqttv50, mqttv311, mqttv31');
});

test('notifications are off, local or for both brokers', () => {
  assert.is(bridgeOf('notifications false').notifications, 'none');
  assert.is(bridgeOf('notifications false\nnotifications_local_only true').notifications, 'none');
  assert.is(bridgeOf('notifications_local_only true').notifications, 'local');
  assert.match(errorOf(`${head}notification_topic a/#`), 'a topic name without + and #');
});

test('several bridges have their lines each, wherever other keys stand', () => {
  const { bridges } = configOf(
    'connection a\naddress 10.0.0.1\ntopic a\nlistener 1884\nallow_anonymous true\n' +
      'remote_clientid x\nconnection b\naddress 10.0.0.2\ntopic b\n',
  );

  assert.equal(
    bridges.map(({ name, remoteClientId }) => [name, remoteClientId]),
    [
      ['a', 'x'],
      ['b', 'host.b'],
    ],
  );
});

test('a file that is included begins without a bridge', () => {
  const files = memoryFiles({ 'm.conf': `${head}include_dir d\nthreshold 3\n`, 'd/a.conf': 'qq' });
  const wrong = memoryFiles({ 'm.conf': `${head}include_dir d\n`, 'd/a.conf': 'topic x\n' });

  assert.match(errorOf('', { files }), 'unknown key "qq"');
  assert.match(errorOf('', { files: wrong }), 'd/a.conf:1: topic belongs below a bridge');
});

test('addresses are names or IP addresses, with or without a port', () => {
  const of = (value: string) => bridgeOf('topic #\n', `connection b\naddress ${value}\n`).addresses;

  assert.equal(of('a.example'), [{ host: 'a.example', port: 1883 }]);
  assert.equal(of('[::1]:1884'), [{ host: '::1', port: 1884 }]);
  assert.equal(of('::1'), [{ host: '::1', port: 1883 }]);
  assert.equal(of('a:1 b:2 # both').length, 2);
  for (const bad of ['a:0', 'a:65536', 'a:b', '[a]:1', 'a:', '[::1']) {
    const error = errorOf(`connection b\naddress ${bad}\ntopic #\n`);
    assert.is(
      error,
      `m.conf:2: address "${bad}" is not valid: expected HOST or HOST:PORT, several separated by ` +
        'spaces; an IPv6 address as [::1]:1883',
    );
  }
});

test('topics have a direction, a QoS and prefixes', () => {
  const of = (value: string) =>
    bridgeOf(`topic ${value}\n`, 'connection b\naddress a\n').topics.map(
      ({ direction, qos, localFilter, remoteFilter, shareName }) =>
        [direction, qos, localFilter, remoteFilter, shareName] as const,
    )[0];

  assert.equal(of('a/# in'), ['in', 0, 'a/#', 'a/#', null]);
  assert.equal(of('# both 2 l/ r/'), ['both', 2, 'l/#', 'r/#', null]);
  assert.equal(of('x out 1 "" r/'), ['out', 1, 'x', 'r/x', null]);
  assert.equal(of('x out 1 l/ ""'), ['out', 1, 'l/x', 'x', null]);
  assert.equal(of('"" out 1 local/t remote/t'), ['out', 1, 'local/t', 'remote/t', null]);
  assert.equal(of('x out 1 l/'), ['out', 1, 'l/x', 'x', null]);
  assert.equal(of('$share/g/x/# in 1 l/ r/'), ['in', 1, 'l/x/#', 'r/x/#', 'g']);
});

const badTopics: readonly (readonly [value: string, error: string])[] = [
  ['a sideways', 'topic direction "sideways" is not valid: expected out, in or both'],
  ['a in 3', 'topic QoS "3" is not valid: expected 0, 1 or 2'],
  ['a in 0 l/#', 'the local prefix "l/#" is not valid: + and # are not possible'],
  ['a in 0 l/ r/+', 'the remote prefix "r/+" is not valid: + and # are not possible'],
  ['a/#/b in', '"a/#/b" is no topic filter'],
  ['a+ in', '"a+" is no topic filter'],
  ['# in 0 l r/', '"l#" is no topic filter'],
  ['"" in 0 l/x', 'an empty pattern needs both prefixes: topic "" out 0 LOCAL-TOPIC REMOTE-TOPIC'],
  ['$share/g in', 'the pattern "$share/g" is not valid: expected $share/NAME/FILTER'],
  ['$share/g/x both', 'a shared subscription is possible in one direction only: out or in'],
];

for (const [value, error] of badTopics) {
  test(`"topic ${value}" is refused`, () => {
    assert.is(errorOf(`connection b\naddress a\ntopic ${value}\n`), `m.conf:3: ${error}`);
  });
}

test('what stands behind the prefixes is ignored, and said', () => {
  assert.equal(warningsOf('connection b\naddress a\ntopic a in 0 l/ r/ more\n'), [
    '3 topic: "more" behind the prefixes is ignored',
  ]);
  assert.equal(warningsOf('connection b\naddress a\ntopic a in 0 l/ r/ # more\n'), []);
});

test('the time until the next try is constant or grows up to a cap', () => {
  assert.equal(bridgeOf('restart_timeout 20').restart, { baseS: 20, capS: null });
  assert.equal(bridgeOf('restart_timeout 20 20').restart, { baseS: 20, capS: 20 });
  for (const bad of ['0', '10 5', '1 2 3', 'x', '9999999']) {
    assert.match(errorOf(`${head}restart_timeout ${bad}`), 'expected BASE [CAP] in seconds');
  }
});

const wrongLines: readonly (readonly [lines: string, error: string])[] = [
  ['start_type manual', 'm.conf:4: start_type manual is not possible, as in Mosquitto'],
  ['keepalive_interval x', 'm.conf:4: keepalive_interval "x" is not valid'],
  ['bridge_bind_address eth0', 'expected an IP address of this machine'],
  ['bridge_psk 0xab', 'm.conf:4: bridge_psk expects a key in pairs of hexadecimal digits'],
  ['bridge_psk ab', 'm.conf:4: bridge_psk needs bridge_identity'],
  ['bridge_identity me', 'm.conf:4: bridge_identity needs bridge_psk'],
  [
    'bridge_identity me\nbridge_psk ab\nbridge_cafile ca.crt',
    'm.conf:5: a bridge has either certificates or bridge_psk, not both',
  ],
  [
    'bridge_identity me\nbridge_psk ab\nbridge_tls_version tlsv1.3',
    'm.conf:6: bridge_psk needs bridge_tls_version tlsv1.2',
  ],
  ['bridge_tls_version tlsv1.1', 'TLS 1.1 is not supported: 1.2 is the lowest version'],
  ['bridge_require_ocsp true', 'm.conf:4: not supported: Node cannot check OCSP answers'],
  ['bridge_cafile ca.crt\nbridge_certfile c.crt', 'm.conf:5: bridge_keyfile is missing'],
  ['bridge_cafile ca.crt\nbridge_keyfile c.key', 'm.conf:5: bridge_certfile is missing'],
  [
    'bridge_certfile c.crt\nbridge_keyfile c.key',
    'm.conf:4: bridge_certfile needs bridge_cafile, bridge_capath or ',
  ],
  ['bridge_alpn mqtt', 'm.conf:4: bridge_alpn needs bridge_cafile'],
  ['remote_password p', 'm.conf:4: remote_password needs remote_username'],
  ['password p', 'm.conf:4: remote_password needs remote_username'],
  ['local_password p', 'm.conf:4: local_password needs local_username'],
  [
    'cleansession true\nstart_type lazy',
    'm.conf:5: start_type lazy counts what is queued, so it needs "local_cleansession false"',
  ],
  ['remote_password a\nremote_password a', 'm.conf:5: remote_password was given before'],
];

for (const [lines, error] of wrongLines) {
  test(`"${lines.replaceAll('\n', '", "')}" is refused`, () => {
    assert.match(errorOf(`${head}${lines}`), error);
  });
}

test('a bridge needs a name, an address, and its lines below it', () => {
  assert.match(errorOf('connection'), 'connection needs a value: a name for the bridge');
  assert.is(errorOf('connection a b'), 'm.conf:1: connection needs one word: a name');
  assert.is(
    errorOf('connection b\ntopic #\n'),
    'm.conf:1: bridge "b" needs an address: address HOST:PORT',
  );
  assert.is(
    errorOf('topic #\n'),
    'm.conf:1: topic belongs below a bridge: write "connection NAME" above it',
  );
  assert.is(errorOf(`${head}${head}`), 'm.conf:4: a bridge "b" was begun before, at m.conf:1');
});

test('two bridges cannot be one client here', () => {
  const other = 'connection c\naddress a\ntopic #\nlocal_clientid local.host.b\n';

  assert.is(
    errorOf(`${head}${other}`),
    'm.conf:7: the bridge at m.conf:1 has the same: give each its own local_clientid',
  );
});

test('a variable cannot say which bridge it means', () => {
  for (const key of ['TOPIC', 'CONNECTION', 'REMOTE_USERNAME']) {
    assert.match(
      errorOf('', { environment: { [`TIDEWIRE_${key}`]: 'x' } }),
      'only global keys can be set by a variable: a bridge belongs in a file',
    );
  }
});

test('lines without effect are said', () => {
  assert.equal(warningsOf('connection b\naddress a\n'), [
    '1 connection: no effect: the bridge has no "topic" line',
  ]);
  assert.equal(warningsOf(`${head}threshold 3\nidle_timeout 3\nround_robin true\n`), [
    '5 idle_timeout: no effect: only "start_type lazy" closes the connection',
    '4 threshold: no effect: only "start_type lazy" waits for messages',
    '6 round_robin: no effect: there is one address',
  ]);
  assert.equal(warningsOf(`${head}bridge_receive_maximum 5\nbridge_insecure true\n`), [
    '4 bridge_receive_maximum: no effect: only MQTT 5.0 has it',
    '5 bridge_insecure: no effect: the bridge has no bridge_cafile',
  ]);
  assert.equal(warningsOf(`${head}keepalive_interval 2\n`), [
    '4 keepalive_interval: the lowest keep-alive interval is 5',
  ]);
});

test('TLS comes with certificates or with a key, and never by half', () => {
  assert.equal(bridgeOf('bridge_cafile ca.crt\nbridge_insecure true\nbridge_alpn mqtt').tls, {
    caFile: 'ca.crt',
    caPath: null,
    certFile: null,
    keyFile: null,
    insecure: true,
    alpn: 'mqtt',
    identity: null,
    psk: null,
    version: null,
    ciphers: null,
    ciphersTls13: null,
  });
  assert.is(bridgeOf('bridge_tls_use_os_certs true').tls?.caFile, null);
  assert.is(bridgeOf('bridge_identity me\nbridge_psk abcd').tls?.psk, 'abcd');
});

test('in a cluster every broker would be the same client at the remote broker', () => {
  const redis = 'store redis\nredis_nodes a:1\n';

  assert.is(configOf(`${redis}${head}`).bridges[0]?.remoteClientId, 'tw.b');
  assert.is(configOf(`${redis}redis_prefix c2:\n${head}`).bridges[0]?.remoteClientId, 'c2.b');
});

test('no secret is in an error or a warning', () => {
  const secret = 'hunter2';
  const twice = errorOf(
    `${head}remote_username u\nremote_password ${secret}\npassword b\npassword ${secret}`,
  );
  const psk = errorOf(`${head}bridge_psk ${secret}`);

  assert.not.match(twice, secret);
  assert.not.match(psk, secret);
});

test('a reload names the bridges that it changes', () => {
  const plan = (before: string, after: string) =>
    planReload(parse(before).config, parse(after).config);

  assert.equal(plan(head, head).applied, []);
  assert.equal(plan(head, `${head}keepalive_interval 9\n`).applied, ['connection b']);
  assert.equal(plan(head, '').applied, ['connection b']);
  assert.equal(plan('', head).applied, ['connection b']);
  assert.equal(plan('', head).config.bridges.length, 1);
});

test.run();
