/** TLS listeners: whom they let in, as whom, with which certificate, and what bad files say. */
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import type { ConnectionOptions, DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerError } from '../../src/base/errors.js';
import type { SniCertificate, TlsConfig } from '../../src/config/config.js';
import { defaultTls } from '../../src/config/defaults.js';
import { rfc2253 } from '../../src/listen/peer-certificate.js';
import { TempFolder } from '../support/temp.js';
import { SocketClient } from './support/clients.js';
import { fixture, Rig, type RigOptions, serverTls } from './support/rig.js';

const test = suite('tls');
const folder = new TempFolder();

const trusting = { caFile: fixture('ca.crt'), requireCertificate: true };
const withCrl = { ...trusting, crlFile: fixture('ca.crl') };

function certificate(name: string): ConnectionOptions {
  return {
    cert: readFileSync(fixture(`${name}.crt`)),
    key: readFileSync(fixture(`${name}.key`)),
  };
}

async function open(tls: TlsConfig, body: (rig: Rig) => Promise<void>, options: RigOptions = {}) {
  await Rig.with({ tls }, options, body);
}

/** The certificate that the server shows. */
function shown(client: SocketClient): DetailedPeerCertificate {
  return (client.socket as TLSSocket).getPeerCertificate(true);
}

/** A client that the listener is expected to refuse. */
async function refused(rig: Rig, options: ConnectionOptions): Promise<void> {
  const client = SocketClient.tlsPending(rig.port, options);
  await client.untilOver();
  await rig.untilRefused('tls_handshake');
  client.destroy();
  assert.equal(rig.refused, ['tls_handshake']);
  assert.is(rig.recorders.length, 0);
}

test('a client without a certificate is anonymous where none is asked for', () =>
  open(serverTls(), async (rig) => {
    const client = await SocketClient.tls(rig.port);
    const { transport } = await rig.recorder();

    assert.is(transport.peer.remoteAddress, '127.0.0.1');
    assert.is(transport.peer.isTls, true);
    assert.is(transport.peer.identity, null);
    assert.is(transport.peer.subject, null);
    client.destroy();
  }));

test('a client certificate gives common name and RFC 2253 subject', () =>
  open(serverTls(withCrl), async (rig) => {
    const client = await SocketClient.tls(rig.port, certificate('client'));
    const { transport } = await rig.recorder();

    assert.is(transport.peer.identity, 'sensor-1');
    const subject = 'CN=sensor-1,OU=Sensors,O=Tide\\, wire \\+ S\\C3\\B6hne,C=DE';
    assert.is(transport.peer.subject, subject);
    client.destroy();
  }));

test('several values in one part of a subject are joined as RFC 2253 has it', () => {
  assert.is(rfc2253('O=a\nCN=b + UID=c\\+d'), 'CN=b+UID=c\\+d,O=a');
  assert.is(rfc2253(''), null);
});

test('require_certificate refuses a client without one', () =>
  open(serverTls(trusting), (rig) => refused(rig, {})));

test('require_certificate refuses a certificate of another authority', () =>
  open(serverTls(trusting), (rig) => refused(rig, certificate('stranger'))));

test('a revoked certificate is refused with its list and accepted without', async () => {
  await open(serverTls(withCrl), (rig) => refused(rig, certificate('revoked')));
  await open(serverTls(trusting), async (rig) => {
    const client = await SocketClient.tls(rig.port, certificate('revoked'));
    assert.is((await rig.recorder()).transport.peer.identity, 'revoked');
    client.destroy();
  });
});

test('capath trusts every certificate in the folder', () => {
  const path = folder.file('capath');
  mkdirSync(path);
  for (const name of ['ca.crt', 'other-ca.crt', 'ca.crl'])
    copyFileSync(fixture(name), `${path}/${name}`);
  return open(serverTls({ caPath: path, requireCertificate: true }), async (rig) => {
    for (const [index, name] of ['client', 'stranger'].entries()) {
      const client = await SocketClient.tls(rig.port, certificate(name));
      await rig.recorder(index);
      client.destroy();
    }
    assert.equal(rig.refused, []);
  });
});

test('tls_version is the lowest version', () =>
  open(serverTls({ tlsVersion: 'tlsv1.3' }), async (rig) => {
    await refused(rig, { maxVersion: 'TLSv1.2' });
    const client = await SocketClient.tls(rig.port);
    assert.is((client.socket as TLSSocket).getProtocol(), 'TLSv1.3');
    client.destroy();
  }));

for (const [name, tls, options, cipher] of [
  ['ciphers', { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }, { maxVersion: 'TLSv1.2' }],
  ['ciphers_tls1.3', { ciphersTls13: 'TLS_CHACHA20_POLY1305_SHA256' }, {}],
].map(([key, tls, options]) => [key, tls, options, Object.values(tls)[0]]) as [
  string,
  Partial<TlsConfig>,
  ConnectionOptions,
  string,
][]) {
  test(`${name} chooses the cipher, and the other TLS version still works`, () =>
    open(serverTls(tls), async (rig) => {
      const client = await SocketClient.tls(rig.port, options);
      const used = (client.socket as TLSSocket).getCipher();
      assert.is(name === 'ciphers' ? used.name : used.standardName, cipher);
      client.destroy();
      const maxVersion = name === 'ciphers' ? 'TLSv1.3' : 'TLSv1.2';
      const other = await SocketClient.tls(rig.port, { maxVersion });
      assert.is((other.socket as TLSSocket).getProtocol(), maxVersion);
      other.destroy();
    }));
}

test('dhparamfile serves clients that want a Diffie-Hellman cipher', () => {
  const rsa = { certFile: fixture('rsa.crt'), keyFile: fixture('rsa.key') };
  const options: ConnectionOptions = {
    ciphers: 'DHE-RSA-AES128-GCM-SHA256',
    maxVersion: 'TLSv1.2',
  };
  return open(serverTls({ ...rsa, dhParamFile: fixture('dh2048.pem') }), async (rig) => {
    const client = await SocketClient.tls(rig.port, options);
    const used = (client.socket as TLSSocket).getEphemeralKeyInfo();
    assert.ok(used !== null && 'size' in used);
    assert.equal([used.type, used.size], ['DH', 2048]);
    client.destroy();
  });
});

/** An `sni_certificate` line with a certificate of the fixtures. */
function sni(host: string, name: string): SniCertificate {
  return { host, certFile: fixture(`${name}.crt`), keyFile: fixture(`${name}.key`) };
}

/** The common names of the certificates that clients of these server names are shown. */
async function shownTo(rig: Rig, names: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const servername of names) {
    const check = { checkServerIdentity: () => undefined };
    const client = await SocketClient.tls(rig.port, { servername, ...check });
    found.push(`${shown(client).subject.CN}`);
    client.destroy();
  }
  return found;
}

test('sni_certificate is chosen by server name, exactly, by wildcard, or not at all', () => {
  const sniCertificates = [
    sni('broker.example', 'named'),
    sni('*.iot.example', 'renewed'),
    sni('one.iot.example', 'named'),
  ];
  return open(serverTls({ sniCertificates }), async (rig) => {
    const names = ['BROKER.example', 'a.iot.example', 'one.iot.example'];
    assert.equal(await shownTo(rig, names), ['named', 'renewed', 'named']);
    const others = ['iot.example', 'a.b.iot.example', 'localhost', ''];
    assert.equal(
      await shownTo(rig, others),
      others.map(() => 'localhost'),
    );
  });
});

test('client certificates are asked for under every server name', () => {
  const sniCertificates = [sni('broker.example', 'named')];
  return open(serverTls({ ...trusting, sniCertificates }), async (rig) => {
    const servername = 'broker.example';
    const client = await SocketClient.tls(rig.port, { ...certificate('client'), servername });
    assert.is((await rig.recorder()).transport.peer.identity, 'sensor-1');
    client.destroy();
    const stranger = SocketClient.tlsPending(rig.port, { servername });
    await stranger.untilOver();
    await rig.untilRefused('tls_handshake');
    stranger.destroy();
  });
});

test('a reload brings, changes and takes away certificates by server name', () =>
  open(serverTls(), async (rig) => {
    const reload = (...sniCertificates: SniCertificate[]): string | undefined => {
      const { config } = rig.listener;
      return rig.listener.reload({ ...config, tls: serverTls({ sniCertificates }) })?.message;
    };
    const names = ['broker.example'];
    assert.equal(await shownTo(rig, names), ['localhost']);
    assert.is(reload(sni('broker.example', 'named')), undefined);
    assert.equal(await shownTo(rig, names), ['named']);
    assert.match(
      reload(sni('broker.example', 'renewed'), sni('b.example', 'missing')) ?? '',
      /^listener 127.0.0.1:0: sni_certificate b\.example: certfile .*missing.crt does not exist$/,
    );
    assert.equal(await shownTo(rig, names), ['named']);
    assert.is(reload(), undefined);
    assert.equal(await shownTo(rig, names), ['localhost']);
  }));

test('a reload shows the new certificate to new connections and keeps the old ones', () => {
  const certFile = folder.file('reload.crt');
  const keyFile = folder.file('reload.key');
  const install = (name: string) => {
    copyFileSync(fixture(`${name}.crt`), certFile);
    copyFileSync(fixture(`${name}.key`), keyFile);
  };
  install('server');
  return open(serverTls({ certFile, keyFile }), async (rig) => {
    const before = await SocketClient.tls(rig.port);
    assert.is(shown(before).subject.CN, 'localhost');
    install('renewed');
    assert.is(rig.listener.reload(), null);
    const after = await SocketClient.tls(rig.port);
    assert.is(shown(after).subject.CN, 'renewed');
    before.send(Buffer.from('still here'));
    await (await rig.recorder(0)).untilBytes(10);

    folder.write('reload.crt', 'not a certificate');
    const error = rig.listener.reload();
    assert.match(error?.message ?? '', /certfile .*reload\.crt holds no certificate/);
    const still = await SocketClient.tls(rig.port);
    assert.is(shown(still).subject.CN, 'renewed');
    for (const client of [before, after, still]) client.destroy();
  });
});

test('a reload takes the certificate from other files', () =>
  open(serverTls(), async (rig) => {
    const tls = serverTls({ certFile: fixture('renewed.crt'), keyFile: fixture('renewed.key') });
    assert.is(rig.listener.reload({ ...rig.listener.config, tls }), null);
    assert.equal(await shownTo(rig, ['localhost']), ['renewed']);
    assert.is(rig.listener.reload(), null, 'again, from the same files');
    assert.equal(await shownTo(rig, ['localhost']), ['renewed']);
  }));

test('a reload applies a new revocation list', () => {
  const crlFile = folder.file('reload.crl');
  copyFileSync(fixture('empty.crl'), crlFile);
  return open(serverTls({ ...withCrl, crlFile }), async (rig) => {
    const client = await SocketClient.tls(rig.port, certificate('revoked'));
    assert.is((await rig.recorder()).transport.peer.identity, 'revoked');
    client.destroy();
    copyFileSync(fixture('ca.crl'), crlFile);
    assert.is(rig.listener.reload(), null);

    const late = SocketClient.tlsPending(rig.port, certificate('revoked'));
    await late.untilOver();
    await rig.untilRefused('tls_handshake');
    assert.is(rig.recorders.length, 1);
    late.destroy();
  });
});

const pskTls = defaultTls({ pskHint: 'tidewire' });
const key = Buffer.from('deadbeefdeadbeef', 'hex');
const pskKey = (identity: string) => (identity === 'device-7' ? key : null);

function psk(identity: string, psk: Buffer): ConnectionOptions {
  return {
    ciphers: 'PSK',
    maxVersion: 'TLSv1.2',
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ identity, psk }),
  };
}

test('a pre-shared key lets its identity in', () =>
  open(
    pskTls,
    async (rig) => {
      const client = await SocketClient.tls(rig.port, psk('device-7', key));
      const { transport } = await rig.recorder();
      assert.is(transport.peer.identity, 'device-7');
      assert.is(transport.peer.subject, null);
      client.destroy();
    },
    { pskKey },
  ));

test('an unknown identity and a wrong key are refused', async () => {
  const wrong = [psk('device-8', key), psk('device-7', Buffer.alloc(8, 1))];
  for (const options of wrong) await open(pskTls, (rig) => refused(rig, options), { pskKey });
});

test('a handshake that never ends is cut off at the connect timeout', () =>
  open(
    serverTls(),
    async (rig) => {
      const client = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
      await client.untilOver();
      assert.equal(rig.refused, ['timeout']);
    },
    { connectTimeoutMs: 50 },
  ));

test('bytes that are no TLS are refused', () =>
  open(serverTls(), async (rig) => {
    const client = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
    client.send(Buffer.from('\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00', 'latin1'));
    await client.untilOver();
    await rig.untilRefused('tls_handshake');
    assert.equal(rig.refused, ['tls_handshake']);
  }));

const damaged = `-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`;
for (const [name, tls, message] of [
  [
    'a missing file',
    { certFile: '/nonexistent.crt' },
    /certfile \/nonexistent\.crt does not exist/,
  ],
  ['a file without a certificate', { certFile: fixture('server.key') }, /holds no certificate/],
  ['a damaged certificate', { certFile: folder.write('bad.crt', damaged) }, /damaged certificate/],
  ['a file without a key', { keyFile: fixture('server.crt') }, /holds no private key/],
  ['the key of another certificate', { keyFile: fixture('client.key') }, /does not belong to/],
  ['an encrypted key', { keyFile: fixture('encrypted.key') }, /is encrypted; decrypt it with/],
  ['no certificate at all', { certFile: null, keyFile: null }, /certfile is missing/],
  ['no key', { keyFile: null }, /keyfile is missing/],
  ['no authority to verify by', { requireCertificate: true }, /needs cafile or capath/],
  ['an empty capath', { caPath: fixture('.').replace('tls/.', 'tls/..') }, /holds no certificate/],
  ['a crlfile without a list', { ...trusting, crlFile: fixture('ca.crt') }, /no revocation list/],
  ['unknown ciphers', { ciphers: 'NO-SUCH-CIPHER' }, /knows none of 'NO-SUCH-CIPHER'/],
  [
    'a bad certificate for a server name',
    { sniCertificates: [{ ...sni('a.example', 'named'), keyFile: fixture('client.key') }] },
    /sni_certificate a\.example: keyfile .* does not belong to/,
  ],
  ['a dhparamfile without parameters', { dhParamFile: fixture('ca.crt') }, /dhparamfile/],
] as const) {
  test(`${name} is reported in one line and nothing is bound`, async () => {
    try {
      const rig = await Rig.open({ tls: serverTls(tls) });
      await rig.close();
      assert.unreachable('the listener opened');
    } catch (error) {
      assert.instance(error, BrokerError);
      assert.is((error as BrokerError).code, 'TLS');
      assert.match((error as BrokerError).message, message);
      assert.match((error as BrokerError).message, /^listener 127\.0\.0\.1:0: [^\n]+$/);
    }
  });
}

test.run();
