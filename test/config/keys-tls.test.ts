import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { errorOf, listenerOf, warningsOf } from './support.js';

const test = suite('TLS keys');

const head = 'listener 8883\ncertfile /c\nkeyfile /k\n';

test('tls_version is the lowest version; 1.1 is raised to 1.2 with a warning', () => {
  assert.is(listenerOf(head).tls?.tlsVersion, null);
  assert.is(listenerOf(`${head}tls_version tlsv1.2`).tls?.tlsVersion, 'tlsv1.2');
  assert.is(listenerOf(`${head}tls_version tlsv1.3`).tls?.tlsVersion, 'tlsv1.3');
  assert.is(listenerOf(`${head}tls_version tlsv1.1`).tls?.tlsVersion, 'tlsv1.2');
  assert.equal(warningsOf(`${head}tls_version tlsv1.1`), [
    '4 tls_version: TLS 1.1 is not supported: 1.2 is the lowest version',
  ]);
});

test('bad values are errors', () => {
  assert.match(errorOf(`${head}tls_version 1.2`), 'm.conf:4: tls_version "1.2" is not valid');
  assert.match(errorOf(`${head}require_certificate yes`), 'expected true or false');
});

test('paths may hold spaces', () => {
  assert.is(listenerOf(`${head}cafile /etc/my ca.pem`).tls?.caFile, '/etc/my ca.pem');
});

test('a certificate path that comes again replaces the first, as in Mosquitto 2.1', () => {
  const text = `${head}certfile /c2\n`;

  assert.is(listenerOf(text).tls?.certFile, '/c2');
  assert.equal(warningsOf(text), ['4 certfile: this replaces "/c" from m.conf:2']);
});

test('sni_certificate takes a host name and two files, and may come again', () => {
  const text = `${head}sni_certificate A.example /a /ka\nsni_certificate *.b.example /b\t/kb # b\n`;

  assert.equal(listenerOf(text).tls?.sniCertificates, [
    { host: 'a.example', certFile: '/a', keyFile: '/ka' },
    { host: '*.b.example', certFile: '/b', keyFile: '/kb' },
  ]);
  assert.equal(warningsOf(text), []);
  assert.equal(listenerOf(head).tls?.sniCertificates, []);
});

for (const value of [
  'a.example',
  'a.example /c',
  'a.example /c /k /more',
  '* /c /k',
  'a.*.example /c /k',
  'a..example /c /k',
  '192.0.2.1 /c /k',
  'bücher.example /c /k',
  '/c /k a.example',
]) {
  test(`sni_certificate ${value} is an error`, () => {
    const error = errorOf(`${head}sni_certificate ${value}\n`);
    assert.match(error, /^m\.conf:4: sni_certificate ".*" is not valid: expected HOST CERTFILE/);
  });
}

test('sni_certificate comes once for a host, and beside certfile and keyfile', () => {
  const line = 'sni_certificate a.example /a /ka\n';
  assert.match(
    errorOf(`${head}${line}sni_certificate A.example /b /kb\n`),
    'm.conf:5: this listener has an sni_certificate for a.example already',
  );
  assert.match(
    errorOf(`listener 8883\n${line}`),
    'm.conf:2: sni_certificate needs certfile and keyfile in the same listener',
  );
  assert.match(
    errorOf(`listener 8883\npsk_file /p\npsk_hint h\n${line}`),
    'either certificates or psk_hint',
  );
  assert.equal(
    warningsOf(`listener 1\nlistener 2\n${head}${line}listener 3\n${head.slice(14)}${line}`),
    [],
  );
});

test('keys of one listener do not reach the next', () => {
  assert.equal(warningsOf(`${head}listener 1883\n`), []);
  assert.match(errorOf(`listener 1883\nlistener 8883\ncafile /ca\n`), 'm.conf:3: cafile needs');
});

test.run();
