import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseConfig } from '../../src/config/mosquitto-conf.js';
import { configOf, errorOf, listenerOf, warningsOf } from './support.js';

const test = suite('assembling a configuration');

const names = (text: string, ports: number[] = [], hasIpv6Loopback = true) =>
  configOf(text, { ports, hasIpv6Loopback }).listeners.map((one) => one.name);

test('without a file there is an anonymous listener on loopback, and no other', () => {
  const { config, warnings } = parseConfig({ file: null, hasIpv6Loopback: true });

  assert.equal(warnings, []);
  assert.is(config.source, null);
  assert.equal(
    config.listeners.map(({ host, port, access }) => [host, port, access.allowAnonymous]),
    [
      ['127.0.0.1', 1883, true],
      ['::1', 1883, true],
    ],
  );
});

test('without IPv6 the local listener is IPv4 alone', () => {
  assert.equal(names('', [], false), ['127.0.0.1:1883']);
});

test('-p moves the local listeners and stays on loopback', () => {
  assert.equal(names('', [1885, 1886]), [
    '127.0.0.1:1885',
    '[::1]:1885',
    '127.0.0.1:1886',
    '[::1]:1886',
  ]);
  assert.equal(names('', [0]), ['127.0.0.1:0']);
});

test('-p beside listeners of the file has no effect, as in Mosquitto, and a warning', () => {
  assert.equal(names('listener 1884', [1885]), ['*:1884']);
  assert.equal(warningsOf('listener 1884', { ports: [1885] }), [
    '0 port: -p has no effect beside listeners of the configuration',
  ]);
});

test('a file without a listener stays local, with its keys, and lets anonymous in', () => {
  const { listeners } = configOf('max_connections 3\nacl_file /a\n');

  assert.is(listeners.length, 2);
  for (const { maxConnections, access } of listeners) {
    assert.is(maxConnections, 3);
    assert.is(access.aclFile, '/a');
    assert.is(access.allowAnonymous, true);
  }
  assert.is(configOf('allow_anonymous false').listeners[0].access.allowAnonymous, false);
});

test('any listener turns anonymous off unless it is allowed', () => {
  assert.is(listenerOf('listener 1').access.allowAnonymous, false);
  assert.is(listenerOf('port 1').access.allowAnonymous, false);
  assert.is(listenerOf('bind_address ::1').access.allowAnonymous, false);
  assert.is(listenerOf('listener 1\nallow_anonymous true').access.allowAnonymous, true);
});

test('keys before the first listener never open port 1883 by themselves', () => {
  const text = 'max_connections 3\nlistener 9001\n';

  assert.equal(names(text), ['*:9001']);
  assert.equal(warningsOf(text), [
    '1 max_connections: no effect: it stands before the first listener; move it below one',
  ]);
});

test('a listener may be a Unix socket, with port 0 and a path', () => {
  const listener = listenerOf('listener 0 /run/tidewire.sock');

  assert.is(listener.socketPath, '/run/tidewire.sock');
  assert.is(listener.host, null);
  assert.is(listener.name, '/run/tidewire.sock');
  assert.match(errorOf('listener 0'), 'm.conf:1: a listener with port 0 needs the path');
});

test('two listeners at the same address are an error, told apart by domain and interface', () => {
  assert.is(
    errorOf('listener 1884\n\nlistener 1884\n'),
    'm.conf:3: this listener is the same as the one at m.conf:1',
  );
  assert.equal(
    names('listener 1\nsocket_domain ipv4\nlistener 1\nsocket_domain ipv6\nlistener 1 ::2\n'),
    ['0.0.0.0:1', '[::]:1', '[::2]:1'],
  );
  assert.equal(names('listener 1\nbind_interface a\nlistener 1\nbind_interface b\n'), [
    'a:1',
    'b:1',
  ]);
});

test('access is global, and the same for every listener', () => {
  const { listeners } = configOf(
    'listener 1\npassword_file /p\nlistener 2\nacl_file /a\nallow_anonymous true\n' +
      'psk_file /k\nauto_id_prefix x-\nallow_zero_length_clientid false\nclientid_prefixes c-\n',
  );

  assert.equal(listeners[0].access, {
    allowAnonymous: true,
    passwordFile: '/p',
    aclFile: '/a',
    pskFile: '/k',
    allowZeroLengthClientId: false,
    autoIdPrefix: 'x-',
    clientIdPrefixes: 'c-',
  });
  assert.equal(listeners[1].access, listeners[0].access);
});

test('with per_listener_settings each listener has its own access, not clientid_prefixes', () => {
  const { listeners } = configOf(
    'per_listener_settings true\nlistener 1\npassword_file /p\nallow_anonymous true\n' +
      'listener 2\nacl_file /a\nauto_id_prefix y-\nclientid_prefixes c-\n',
  );
  const seen = listeners.map(({ access }) => [
    ...[access.allowAnonymous, access.passwordFile, access.aclFile],
    ...[access.autoIdPrefix, access.clientIdPrefixes],
  ]);

  assert.equal(seen, [
    [true, '/p', null, 'auto-', 'c-'],
    [false, null, '/a', 'y-', 'c-'],
  ]);
});

test('access keys before the first listener mean nothing with per_listener_settings', () => {
  assert.equal(warningsOf('per_listener_settings true\nallow_anonymous true\nlistener 1\n'), [
    '2 allow_anonymous: no effect: it stands before the first listener; move it below one',
  ]);
  assert.is(
    configOf('per_listener_settings true\nallow_anonymous true\nlistener 1\n').listeners[0].access
      .allowAnonymous,
    false,
  );
});

test('listener_allow_anonymous and listener_auto_id_prefix override the global keys', () => {
  const { listeners } = configOf(
    'allow_anonymous false\nauto_id_prefix g-\nlistener 1\nlistener_allow_anonymous true\n' +
      'listener_auto_id_prefix l-\nlistener 2\n',
  );

  assert.equal(
    listeners.map(({ access }) => [access.allowAnonymous, access.autoIdPrefix]),
    [
      [true, 'l-'],
      [false, 'g-'],
    ],
  );
});

const tls = 'certfile /c\nkeyfile /k\n';

test('a listener with certfile and keyfile is TLS, and carries all TLS keys', () => {
  const listener = listenerOf(
    `listener 8883\n${tls}cafile /ca\ncapath /cas\ncrlfile /crl\nciphers A:B\n` +
      'ciphers_tls1.3 C:D\ntls_version tlsv1.3\ndhparamfile /dh\nrequire_certificate true\n' +
      'use_identity_as_username true\nuse_subject_as_username true\n',
  );

  assert.equal(listener.tls, {
    caFile: '/ca',
    caPath: '/cas',
    certFile: '/c',
    keyFile: '/k',
    crlFile: '/crl',
    ciphers: 'A:B',
    ciphersTls13: 'C:D',
    tlsVersion: 'tlsv1.3',
    dhParamFile: '/dh',
    requireCertificate: true,
    pskHint: null,
    sniCertificates: [],
  });
  assert.is(listener.useIdentityAsUsername, true);
  assert.is(listener.useSubjectAsUsername, true);
  assert.is(listenerOf('listener 1883').tls, null);
});

test('a listener that was meant to be encrypted never opens in plain text', () => {
  assert.is(errorOf('listener 1\ncertfile /c'), 'm.conf:2: keyfile is missing');
  assert.is(errorOf('listener 1\nkeyfile /k'), 'm.conf:2: certfile is missing');
  for (const line of ['cafile /c', 'capath /d', 'crlfile /e', 'require_certificate true']) {
    const key = line.split(' ')[0];
    assert.is(
      errorOf(`listener 1\n${line}\n`),
      `m.conf:2: ${key} needs certfile and keyfile in the same listener`,
    );
  }
  assert.match(errorOf('psk_file /p\nlistener 1\npsk_hint h\ncafile /c\n'), 'm.conf:3: a listener');
  assert.match(errorOf('listener 1\npsk_hint h'), 'm.conf:2: psk_hint needs psk_file');
});

test('client certificates cannot be demanded without a CA to check them', () => {
  assert.is(
    errorOf(`listener 1\n${tls}require_certificate true\n`),
    'm.conf:4: require_certificate needs cafile or capath',
  );
});

test('psk_hint with psk_file makes a PSK listener', () => {
  const listener = listenerOf('psk_file /p\nlistener 8884\npsk_hint my hint\n');

  assert.is(listener.tls?.pskHint, 'my hint');
  assert.is(listener.tls?.certFile, null);
  assert.is(listener.access.pskFile, '/p');
  assert.equal(warningsOf('psk_file /p\nlistener 1'), [
    '0 psk_file: no effect: no listener has psk_hint',
  ]);
});

test('keys that change nothing where they stand are warned of', () => {
  assert.equal(warningsOf('listener 1\nciphers A\ntls_version tlsv1.2\n'), [
    '2 ciphers: no effect: this listener has no certfile and keyfile',
    '3 tls_version: no effect: this listener has no certfile and keyfile',
  ]);
  assert.equal(warningsOf('listener 1\nhttp_dir /w\nwebsockets_origin http://a\n'), [
    '2 http_dir: no effect: this listener has no "protocol websockets"',
    '3 websockets_origin: no effect: this listener has no "protocol websockets"',
  ]);
  assert.equal(warningsOf('listener 0 /s\nsocket_domain ipv4\n'), [
    '2 socket_domain: no effect: this listener is a Unix socket',
  ]);
  assert.equal(
    warningsOf('listener 1\nenable_proxy_protocol 2\nuse_identity_as_username true\n'),
    [],
  );
});

test('protocol http_api leaves its listener closed, and is an error when none is left', () => {
  const text = 'listener 1883\nlistener 8080\nprotocol http_api\n';

  assert.equal(names(text), ['*:1883']);
  assert.match(warningsOf(text)[0], '3 protocol: Mosquitto’s HTTP API is not supported');
  assert.match(errorOf('listener 8080\nprotocol http_api'), 'm.conf:1: no listener is left');
  assert.match(errorOf('protocol http_api'), 'm.conf:1: no listener is left');
});

test('-v logs everything, -q nothing, whatever the file says', () => {
  const types = (isVerbose: boolean, isQuiet: boolean) =>
    configOf('log_type error', { isVerbose, isQuiet }).log.types;

  assert.equal(types(false, false), ['error']);
  assert.ok(types(true, false).includes('debug'));
  assert.equal(types(true, true), []);
});

test.run();
