import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerError } from '../../src/base/errors.js';
import { parseConfig } from '../../src/config/mosquitto-conf.js';
import { keyNames } from '../../src/config/schema.js';
import { configOf, errorOf, listenerOf, memoryFiles, parse, warningsOf } from './support.js';

const test = suite('mosquitto.conf dialect');

test('an empty file is a local broker with Mosquitto’s defaults', () => {
  const { config, warnings } = parse('');

  assert.equal(warnings, []);
  assert.equal(
    config.listeners.map((one) => one.name),
    ['127.0.0.1:1883', '[::1]:1883'],
  );
  assert.is(config.listeners[0].access.allowAnonymous, true);
  assert.is(config.sysInterval, 10);
  assert.is(config.source, 'm.conf');
});

test('lines are trimmed, may be indented or separated by tabs, and may end in CR LF', () => {
  const config = configOf(
    '\uFEFFmax_keepalive 100\r\n\t sys_interval \t 5  \r\n\r\n   \nlistener\t1884\r\n',
  );

  assert.is(config.delivery.maxKeepAlive, 100);
  assert.is(config.sysInterval, 5);
  assert.is(config.listeners[0].port, 1884);
});

test('# starts a comment at the start of a line and behind a one-word value, not in a text', () => {
  const text = '#listener 1\n  # x\nlistener 1884 # y\nallow_anonymous true # z\nmount_point a b';
  const listener = listenerOf(`${text}\npassword_file /p # q\n`);

  assert.is(listener.host, null);
  assert.is(listener.access.allowAnonymous, true);
  assert.is(listener.mountPoint, 'a b');
  assert.is(listener.access.passwordFile, '/p # q');
  assert.equal(warningsOf(text), []);
});

test('words behind a one-word value are ignored with a warning, as Mosquitto ignores them', () => {
  assert.equal(warningsOf('sys_interval 5 or so'), [
    '1 sys_interval: "or so" behind the value is ignored',
  ]);
  assert.equal(warningsOf('listener 1884 127.0.0.1 tls'), ['1 listener: "tls" is ignored']);
});

test('quotes stay in a value and are warned of', () => {
  const text = 'password_file "/etc/my pw"';

  assert.is(configOf(text).listeners[0].access.passwordFile, '"/etc/my pw"');
  assert.match(warningsOf(text)[0], 'the quotes are part of the value');
});

test('an unknown key is an error with file, line and the nearest key', () => {
  assert.is(
    errorOf('# one\n\nmax_inflight_mesages 4\n'),
    'm.conf:3: unknown key "max_inflight_mesages" (did you mean "max_inflight_messages"?)',
  );
  assert.is(errorOf('frobnicate yes'), 'm.conf:1: unknown key "frobnicate"');
});

test('usual slips in writing a key get their own advice', () => {
  assert.is(errorOf('Listener 1883'), 'm.conf:1: keys are lower-case: write "listener"');
  assert.is(errorOf('port=1883'), 'm.conf:1: write "port VALUE", without "="');
  assert.is(errorOf('port: 1883'), 'm.conf:1: write "port VALUE", without ":"');
});

test('a missing value is an error that says what is expected', () => {
  assert.is(errorOf('\nallow_anonymous'), 'm.conf:2: allow_anonymous needs a value: true or false');
  assert.is(
    errorOf('listener'),
    'm.conf:1: listener needs a value: PORT [ADDRESS], or 0 and the path of a Unix socket',
  );
  assert.is(errorOf('listener # 1883'), 'm.conf:1: listener needs a port');
  assert.is(errorOf('store   '), 'm.conf:1: store needs a value: one of memory, disk, redis');
});

test('the first error of a file decides', () => {
  assert.match(errorOf('sys_interval x\nnonsense\n'), /^m\.conf:1: sys_interval "x" is not valid/);
});

test('bytes that are not UTF-8, and control characters, are errors at their line', () => {
  const bad = Buffer.concat([Buffer.from('port 1883\nuser '), Buffer.of(0xc3, 0x28)]);
  const files = memoryFiles({ 'm.conf': bad });

  assert.is(errorOf('', { files }), 'm.conf:2: this line is not UTF-8');
  for (const text of ['user a\u0000b', 'port\u0007 1', 'port 1\rport 2', '\u0000\r\u0000']) {
    assert.is(errorOf(text), 'm.conf:1: there is a control character in this line');
  }
});

test('a text longer than Mosquitto’s 65 535 bytes is an error', () => {
  assert.is(configOf(`user ${'é'.repeat(32_767)}`).user?.length, 32_767);
  assert.match(errorOf(`user ${'é'.repeat(32_768)}`), 'longer than 65535 bytes');
});

test('a number or choice that comes again replaces the first, with a warning', () => {
  const text = 'sys_interval 5\nsys_interval 5\nsys_interval 6\n';

  assert.is(configOf(text).sysInterval, 6);
  assert.equal(warningsOf(text), ['3 sys_interval: this replaces "5" from m.conf:2']);
});

test('a text that Mosquitto takes once is an error the second time', () => {
  assert.is(
    errorOf('pid_file /a\npid_file /b'),
    'm.conf:2: pid_file was given before, at m.conf:1',
  );
  assert.is(
    errorOf('listener 1\npsk_hint a\npsk_hint b\n'),
    'm.conf:3: psk_hint was given before, at m.conf:2',
  );
});

test('the same key under two listeners is not a repetition', () => {
  assert.equal(warningsOf('listener 1\nmax_connections 1\nlistener 2\nmax_connections 2\n'), []);
});

test('per-listener keys belong to the listener above them', () => {
  const { listeners } = configOf(
    'listener 1884\nmax_connections 5\nmax_qos 1\nlistener 9001 ::1\nprotocol websockets\n',
  );

  assert.equal(
    listeners.map(({ name, maxConnections, maxQos, protocol }) => [
      ...[name, maxConnections, maxQos, protocol],
    ]),
    [
      ['*:1884', 5, 1, 'mqtt'],
      ['[::1]:9001', -1, 2, 'websockets'],
    ],
  );
});

test('port and bind_address open the default listener, which owns the keys before others', () => {
  const { listeners } = configOf(
    'max_connections 7\nport 1999\nbind_address 10.0.0.1\nlistener 9001\nmax_qos 0\n',
  );

  assert.equal(
    listeners.map(({ name, maxConnections, maxQos }) => [name, maxConnections, maxQos]),
    [
      ['10.0.0.1:1999', 7, 2],
      ['*:9001', -1, 0],
    ],
  );
});

test('keys that mean nothing without a listener are errors before one', () => {
  const keys = {
    mount_point: 'a/',
    accept_protocol_versions: '5',
    enable_proxy_protocol: '2',
    websockets_origin: 'http://a',
    http_dir: '/www',
    bind_interface: 'eth0',
    listener_allow_anonymous: 'true',
    listener_auto_id_prefix: 'x',
    proxy_protocol_v2_require_tls: 'false',
  };
  for (const [key, value] of Object.entries(keys)) {
    assert.match(errorOf(`${key} ${value}`), `m.conf:1: ${key} belongs below a listener`);
    configOf(`listener 1\n${key} ${value}\n`);
    configOf(`port 1\n${key} ${value}\n`);
  }
});

test('per_listener_settings true must stand before the first access key, and stays true', () => {
  assert.is(
    errorOf('acl_file /a\nper_listener_settings true'),
    'm.conf:2: per_listener_settings must stand before the first access key, which is at m.conf:1',
  );
  assert.equal(warningsOf('per_listener_settings true\nper_listener_settings false'), [
    '2 per_listener_settings: once true, this stays true',
  ]);
  assert.is(configOf('acl_file /a\nper_listener_settings false').perListenerSettings, false);
});

test('include_dir reads *.conf in Mosquitto’s order, each with its own default listener', () => {
  const files = memoryFiles({
    'm.conf': 'listener 1884\ninclude_dir conf.d/\nmax_qos 1\n',
    'conf.d/b.conf': 'user b\n',
    'conf.d/B.conf': 'user B\n',
    'conf.d/a.conf': 'listener 1885\nprotocol websockets\nuser a\n',
    'conf.d/README': 'not a configuration',
    'conf.d/.conf': 'too short a name',
  });
  const { config, warnings } = parse('', { files });

  assert.is(config.user, 'b');
  assert.equal(
    config.listeners.map(({ port, protocol, maxQos }) => [port, protocol, maxQos]),
    [
      [1884, 'mqtt', 1],
      [1885, 'websockets', 2],
    ],
  );
  assert.equal(
    warnings.map(({ file, message }) => `${file} ${message}`),
    [
      'conf.d/B.conf this replaces "a" from conf.d/a.conf:3',
      'conf.d/b.conf this replaces "B" from conf.d/B.conf:1',
    ],
  );
});

test('errors of an included file name that file', () => {
  const files = memoryFiles({ 'm.conf': 'include_dir d', 'd/x.conf': '\nprot 1883' });

  assert.is(errorOf('', { files }), 'd/x.conf:2: unknown key "prot" (did you mean "port"?)');
});

test('include_dir is refused when the folder is missing, its own, or included', () => {
  assert.is(errorOf('include_dir nope'), 'm.conf:1: include_dir nope does not exist');
  const own = memoryFiles({ './m.conf': 'include_dir .' });
  assert.match(errorOf('', { file: './m.conf', files: own }), './m.conf:1: . holds this very file');
  const nested = memoryFiles({ 'm.conf': 'include_dir d', 'd/a.conf': 'include_dir e' });
  assert.is(
    errorOf('', { files: nested }),
    'd/a.conf:1: include_dir is only possible in the main file, m.conf',
  );
});

test('a configuration file that cannot be read is an error with its path', () => {
  const files = memoryFiles({});
  assert.is(errorOf('', { file: '/etc/none.conf', files }), '/etc/none.conf: does not exist');
  assert.is(errorOf('', { file: 'a\nb', files }), 'a b: does not exist');
});

test('the result is frozen all the way down', () => {
  const { config, warnings } = parse(
    'listener 1\ncertfile c\nkeyfile k\nplugin x\nlog_dest file /l\nlog_type all\n',
  );
  const assertFrozen = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    assert.ok(Object.isFrozen(value), path);
    for (const [name, inner] of Object.entries(value)) assertFrozen(inner, `${path}.${name}`);
  };

  assertFrozen(config, 'config');
  assertFrozen(warnings, 'warnings');
});

const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }));
const anyValue = fc.oneof(
  anyText,
  fc.constantFrom('', 'true', 'false', '0', '1', '-1', '1883', '0x10', 'all', 'none', '2d', '3, 4'),
);
const anyLine = fc.oneof(
  anyText,
  fc
    .tuple(fc.constantFrom(...keyNames(), 'plugin_opt_x', 'nope'), anyValue)
    .map((line) => line.join(' ')),
);

test('no text makes the parser throw anything but a one-line BrokerError', async () => {
  await fc.assert(
    fc.property(fc.array(anyLine, { maxLength: 30 }), (lines) => {
      const files = memoryFiles({ 'm.conf': lines.join('\n'), 'd/x.conf': lines.join('\n') });
      try {
        const { config } = parseConfig({ file: 'm.conf', files, hasIpv6Loopback: false });
        assert.ok(config.listeners.length > 0);
      } catch (error) {
        assert.instance(error, BrokerError);
        assert.not.match((error as Error).message, /[\n\r]/);
      }
    }),
    { numRuns: 2000 },
  );
});

test('no bytes make the parser throw anything but a BrokerError', async () => {
  await fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        parseConfig({ file: 'm.conf', files: memoryFiles({ 'm.conf': bytes }) });
      } catch (error) {
        assert.instance(error, BrokerError);
      }
    }),
  );
});

test.run();
