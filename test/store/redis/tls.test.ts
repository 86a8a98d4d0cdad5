// slow
/** Redis over TLS, as a user who may do no more than docs/configuration.md says. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BrokerError } from '../../../src/base/errors.js';
import { runRedisCheckCommand } from '../../../src/redis-check-command.js';
import type { RedisStoreOptions } from '../../../src/store/redis/options.js';
import { RedisStore } from '../../../src/store/redis/redis-store.js';
import { TempFolder } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { addStoreContract } from '../support/contract.js';
import { Heard, Loaded, StoreDriver } from '../support/driver.js';
import { createRedisHarness, optionsFor } from './harness.js';
import { clientIds, Load } from './load.js';
import {
  caFile,
  certified,
  login,
  rulesFor,
  startTls,
  TlsCluster,
  type TlsServer,
  trusting,
} from './tls-servers.js';

const test = suite('redis store over tls');
const folder = new TempFolder();
let single: TlsServer;
let cluster: TlsCluster;

test.before(async () => {
  // Of all prefixes that the tests of this file use.
  single = await startTls(folder.file('single'), {}, rulesFor(''));
  cluster = await TlsCluster.start(folder.path);
});

test.after(async () => {
  await cluster.stop();
  await single.server.kill();
  folder.remove();
});

addStoreContract(test, () =>
  createRedisHarness([['127.0.0.1', single.tlsPort]], { ...login, tls: trusting }),
);

/** `opened`, or why not. */
async function open(server: TlsServer, more: Partial<RedisStoreOptions>): Promise<string> {
  const store = new RedisStore(optionsFor([['127.0.0.1', server.tlsPort]], { ...login, ...more }));
  try {
    await store.open(new Loaded(), new Heard());
    await store.close();
    return 'opened';
  } catch (error) {
    return `${(error as BrokerError).code}: ${(error as BrokerError).message}`;
  }
}

test('redis-check sees all of it, with the login of the command line', async () => {
  const secret = folder.write('secret', login.password);
  const given = ['--user', login.username, '--password-file', secret, '--cafile', caFile];
  let out = '';
  const io = { out: (text: string) => (out += text), error: (text: string) => (out += text) };
  const place = cluster.seeds[0]!.join(':');
  const code = await runRedisCheckCommand([...given, place], { ...io, environment: {} });
  assert.is(code, 0, out);
  for (const { tlsPort } of cluster.nodes) {
    assert.match(out, new RegExp(`^127\\.0\\.0\\.1:${tlsPort} .* Redis \\d`, 'm'));
  }
  assert.not.match(out, /cannot be asked/);
});

test('a cluster that announces TLS ports is found by one node, and a primary may die', async () => {
  const harness = await createRedisHarness(cluster.seeds, { ...login, tls: trusting });
  try {
    const load = new Load(harness.store, clientIds(24));
    await load.start();
    await load.progress(20);
    const clients = await Promise.all(
      cluster.nodes.slice(0, 3).map(({ server }) => server.command('CLIENT', 'LIST')),
    );
    for (const list of clients) assert.match(String(list), /name=tidewire:node .*user=tidewire/);

    await cluster.nodes[0]!.server.kill();
    await load.progress(20, 30_000);

    await load.stop();
    await load.check();
    assert.ok(harness.heard.away > 0);
    assert.ok(harness.store.figures().shortfalls !== undefined);
  } finally {
    await harness.dispose();
  }
});

test('a certificate that is not trusted, or has another name, is refused', async () => {
  assert.is(await open(single, { tls: trusting }), 'opened');
  assert.match(await open(single, { tls: {} }), /^REDIS_CONNECT: .*certificate/);
  const wrongName = { ...trusting, servername: 'broker.example' };
  assert.match(await open(single, { tls: wrongName }), /^REDIS_CONNECT: .*broker\.example/);
  assert.is(await open(single, { tls: { rejectUnauthorized: false } }), 'opened');
  assert.match(await open(single, { tls: null }), /^REDIS_CONNECT/);
});

test('a server that demands a certificate of ours gets it', async () => {
  const strict = await startTls(folder.file('strict'), { 'tls-auth-clients': 'yes' });
  try {
    assert.is(await open(strict, { tls: certified }), 'opened');
    assert.match(await open(strict, { tls: trusting }), /^REDIS_CONNECT/);
  } finally {
    await strict.server.kill();
  }
});

test('a wrong password, or another user, is refused, and not repeated in the error', async () => {
  const answers = [
    await open(single, { tls: trusting, password: 'neap' }),
    await open(single, { tls: trusting, username: 'nobody' }),
  ];
  for (const answer of answers) {
    assert.match(answer, /^REDIS_CONNECT: .*WRONGPASS/);
    assert.not.match(answer, /neap|Ebb/);
  }
});

test('a user who may write one prefix only is enough for a broker with that prefix', async () => {
  const { prefix } = optionsFor([]);
  await single.server.command('ACL', 'SETUSER', 'narrow', ...rulesFor(prefix));
  const options = { ...login, username: 'narrow', tls: trusting };
  const harness = await createRedisHarness([['127.0.0.1', single.tlsPort]], { ...options, prefix });
  try {
    const driver = new StoreDriver(harness.store);
    const { epoch } = await driver.claim('c');
    await driver.append('c', ['1']);
    await driver.retain('t', 'x');
    await driver.write('c', { epoch, nextSeq: 2 });
    assert.equal(await driver.queue('c'), ['1:1']);
    assert.is(await single.server.command('EXISTS', `${prefix}{c}:s`), 1);
  } finally {
    await harness.dispose();
  }
  const other = await open(single, { ...options, prefix: 'other:' });
  assert.match(other, /^REDIS_NOPERM: .* does not let its user .*NOPERM.*ACL SETUSER/);
});

test('two prefixes on one Redis know nothing of each other', async () => {
  const options = { ...login, tls: trusting };
  const nodes: [string, number][] = [['127.0.0.1', single.tlsPort]];
  const a = await createRedisHarness(nodes, options);
  const b = await createRedisHarness(nodes, options);
  try {
    const [first, second] = [new StoreDriver(a.store), new StoreDriver(b.store)];
    const claims = [await first.claim('c'), await second.claim('c')];
    assert.equal(
      claims.map(({ isPresent }) => isPresent),
      [false, false],
    );
    const subscribed = [{ filter: 'f', options: 1, identifier: 0 }];
    await first.write('c', { epoch: claims[0]!.epoch, subscribed });
    await first.append('c', ['of a']);
    await first.retain('t', 'of a');
    await second.append('c', ['of b', 'of b too']);
    await first.write('c', { epoch: claims[0]!.epoch, ends: true });
    await first.claim('c');

    assert.equal(await first.queue('c'), []);
    assert.equal(await second.queue('c'), ['1:of b', '2:of b too']);
    await b.restart('crash');
    assert.equal([...b.loaded.sessions.keys()], ['c']);
    assert.is(b.loaded.subscriptions.size, 0);
    assert.is(b.loaded.retained.size, 0);
    await a.restart('close');
    assert.is(a.loaded.retained.get('t'), 'of a');

    const keys = (await single.server.command('KEYS', '*')) as string[];
    const own = (prefix: string) => keys.filter((key) => key.startsWith(prefix)).length;
    await until('both to have keys', () => own(a.prefix) > 3 && own(b.prefix) > 3);
  } finally {
    await a.dispose();
    await b.dispose();
  }
});

test.run();
