/**
 * What shows that SIGHUP has changed a key of TLS, or a limit that holds before the core sees a
 * client: by key.
 */
import type { TLSSocket } from 'node:tls';
import * as assert from 'uvu/assert';
import { fixture } from '../listen/support/rig.js';
import { until } from '../support/until.js';
import { certificateOf, type Observations, RunningService } from './running-service.js';

const open = ['listener PORT 127.0.0.1', 'allow_anonymous true'];
const tls = [...open, `certfile ${fixture('server.crt')}`, `keyfile ${fixture('server.key')}`];
const rsa = [...open, `certfile ${fixture('rsa.crt')}`, `keyfile ${fixture('rsa.key')}`];
const named = `${fixture('named.crt')}`;

/** A limit that refuses the second connection. */
function refusesSecond(line: string): () => Promise<void> {
  return () =>
    RunningService.with(open, async (running) => {
      await running.connect();
      running.reload([...open, line]);
      assert.is(await running.accepts(), false);
    });
}

export const limitKeys: Observations = {
  global_max_connections: refusesSecond('global_max_connections 1'),
  max_connections_per_address: refusesSecond('max_connections_per_address 1'),
  memory_limit: () =>
    RunningService.with(open, async (running) => {
      running.reload([...open, 'memory_limit 1']);
      await until('the guard', () => running.logged('memory is full').length > 0);
      assert.is(await running.accepts(), false);
    }),
  max_connect_rate: () =>
    RunningService.with(open, async (running) => {
      for (const _ of [1, 2, 3]) await running.connect();
      running.reload([...open, 'max_connect_rate 1']);
      const accepted = await Promise.all([1, 2, 3].map(() => running.accepts()));
      assert.is(accepted.filter((isAccepted) => isAccepted).length, 1);
    }),
  connect_timeout_ms: async () => {
    for (const more of [[], ['enable_proxy_protocol 1'], ['protocol websockets'], tls.slice(2)]) {
      const lines = [...open, ...more];
      await RunningService.with(lines, async (running) => {
        running.reload([...lines, 'connect_timeout_ms 100']);
        await (await running.socket()).untilOver();
      });
    }
  },
};

/** The common name that the listener shows under a server name. */
async function shown(running: RunningService, servername = 'localhost'): Promise<string> {
  const client = await running.tls({ servername, checkServerIdentity: () => undefined });
  assert.ok(client, 'the handshake failed');
  return `${(client.socket as TLSSocket).getPeerCertificate().subject.CN}`;
}

const replacesKeyPair = (): Promise<void> =>
  RunningService.with(tls, async (running) => {
    assert.is(await shown(running), 'localhost');
    running.reload([...open, `certfile ${named}`, `keyfile ${fixture('named.key')}`]);
    assert.is(await shown(running), 'named');
  });

/** Whether clients with this certificate, or with these options, are let in before and after. */
function changes(
  before: readonly string[],
  after: readonly string[],
  options: Parameters<RunningService['tls']>[0],
  expected: readonly [before: boolean, after: boolean],
): () => Promise<void> {
  return () =>
    RunningService.with(before, async (running) => {
      const isLetIn = async (): Promise<boolean> => (await running.tls(options)) !== null;
      const first = await isLetIn();
      running.reload(after);
      assert.equal([first, await isLetIn()], expected);
    });
}

const trusting = [...tls, 'require_certificate true'];
const other = `cafile ${fixture('other-ca.crt')}`;
const own = `cafile ${fixture('ca.crt')}`;

export const tlsKeys: Observations = {
  certfile: replacesKeyPair,
  keyfile: replacesKeyPair,
  sni_certificate: () =>
    RunningService.with(tls, async (running) => {
      assert.is(await shown(running, 'broker.example'), 'localhost');
      running.reload([
        ...tls,
        `sni_certificate broker.example ${named} ${fixture('named.key')}`,
        `sni_certificate *.iot.example ${named} ${fixture('named.key')}`,
      ]);
      const names = ['broker.example', 'a.iot.example', 'localhost'];
      const found: string[] = [];
      for (const name of names) found.push(await shown(running, name));
      assert.equal(found, ['named', 'named', 'localhost']);
    }),
  cafile: changes([...trusting, other], [...trusting, own], certificateOf('client'), [false, true]),
  capath: () =>
    RunningService.with([...trusting, other], async (running) => {
      assert.is(await running.tls(certificateOf('client')), null);
      running.reload([...trusting, other, `capath ${fixture('.')}`]);
      assert.ok(await running.tls(certificateOf('client')));
    }),
  crlfile: changes(
    [...trusting, own],
    [...trusting, own, `crlfile ${fixture('ca.crl')}`],
    certificateOf('revoked'),
    [true, false],
  ),
  ciphers: changes(
    rsa,
    [...rsa, 'ciphers ECDHE-RSA-AES256-GCM-SHA384'],
    { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
    [true, false],
  ),
  'ciphers_tls1.3': changes(
    tls,
    [...tls, 'ciphers_tls1.3 TLS_AES_256_GCM_SHA384'],
    { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' },
    [true, false],
  ),
  tls_version: changes(tls, [...tls, 'tls_version tlsv1.3'], { maxVersion: 'TLSv1.2' }, [
    true,
    false,
  ]),
  dhparamfile: changes(
    rsa,
    [...rsa, `dhparamfile ${fixture('dh2048.pem')}`],
    { maxVersion: 'TLSv1.2', ciphers: 'DHE-RSA-AES128-GCM-SHA256' },
    [false, true],
  ),
};

/** Figures of `$SYS` come and go. */
export const sysKeys: Observations = {
  sys_interval: () =>
    RunningService.with([...open, 'sys_interval 0'], async (running) => {
      const client = await running.connect();
      await client.subscribe('$SYS/broker/version', 0);
      running.reload([...open, 'sys_interval 10']);
      await client.untilMessages(1);
      running.reload([...open, 'sys_interval 0']);
      await until('its removal', () => client.payloads.at(-1) === '');
    }),
};
