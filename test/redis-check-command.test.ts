// slow
/** tidewire redis-check: its options, its report, its exit codes, on real servers. */
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runRedisCheckCommand } from '../src/redis-check-command.js';
import { run } from './support/process.js';
import { RedisCluster } from './support/redis-cluster.js';
import { RedisServer, type Settings } from './support/redis-server.js';
import { type TempFolder, withTempFolder } from './support/temp.js';
import { until } from './support/until.js';

const test = suite('redis-check command');

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

interface Report {
  readonly code: number;
  readonly isCluster: boolean;
  readonly ackLevel: string | null;
  readonly errors: number;
  readonly nodes: readonly {
    readonly name: string;
    readonly role: string;
    readonly slots: string;
    readonly server: string;
    readonly problem: string | null;
    readonly roundTripMs: { readonly median: number; readonly worst: number };
  }[];
  readonly findings: readonly { readonly level: string; readonly name: string }[];
}

async function check(args: readonly string[], environment = {}): Promise<Outcome> {
  let out = '';
  let errors = '';
  const code = await runRedisCheckCommand(args, {
    out: (text) => {
      out += text;
    },
    error: (text) => {
      errors += text;
    },
    environment,
  });
  return { code, out, errors };
}

/** The JSON of a check that could run, and its exit code. */
async function report(args: readonly string[], environment = {}): Promise<Report> {
  const { code, errors, out } = await check([...args, '--json'], environment);
  assert.is(errors, '');
  return { ...(JSON.parse(out) as Omit<Report, 'code'>), code };
}

const namesOf = ({ findings }: Report) => findings.map(({ level, name }) => `${level} ${name}`);

async function withServer(
  settings: Settings,
  body: (server: RedisServer, place: string, folder: TempFolder) => Promise<void>,
): Promise<void> {
  await withTempFolder(async (folder) => {
    const server = await RedisServer.start({ folder: folder.path, settings });
    try {
      await body(server, `127.0.0.1:${server.port}`, folder);
    } finally {
      await server.kill();
    }
  });
}

test('a cluster is seen as a whole from any one node of it', () =>
  withTempFolder(async (folder) => {
    const cluster = await RedisCluster.start({ folder: folder.path });
    try {
      const replica = cluster.nodes.find(({ isPrimary }) => !isPrimary)!.server;
      const place = `127.0.0.1:${replica.port}`;
      const fine = await report([place]);
      assert.is(fine.code, 0);
      assert.is(fine.isCluster, true);
      assert.equal(
        fine.nodes.map(({ name }) => name).sort(),
        cluster.addresses.map((address) => address.join(':')).sort(),
      );
      for (const { problem, role, roundTripMs, server, slots } of fine.nodes) {
        assert.is(problem, null);
        assert.match(server, /^\w+ \d+\.\d+/);
        assert.is(slots !== '', role === 'primary');
        assert.ok(roundTripMs.median > 0 && roundTripMs.median <= roundTripMs.worst);
      }
      const findings = namesOf(fine);
      assert.ok(findings.includes('advice same-host'), findings.join());
      assert.ok(!findings.some((one) => one.startsWith('error')), findings.join());

      const [primary] = cluster.primaries;
      await primary!.server.command('CONFIG', 'SET', 'maxmemory', '100mb');
      await primary!.server.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
      const evicting = await check([place]);
      assert.is(evicting.code, 2);
      assert.match(
        evicting.out,
        new RegExp(`ERROR {2}maxmemory-policy {2}.*:${primary!.server.port}`),
      );
      assert.match(evicting.out, /1 error, /);

      await primary!.server.kill();
      await replica.kill();
      const left = cluster.nodes.filter(
        ({ server }) => server !== primary!.server && server !== replica,
      );
      const asked = left.map(({ server }) => `127.0.0.1:${server.port}`).join(',');
      await until(
        'the primary to be taken for dead',
        async () => namesOf(await report([asked, place])).includes('error slots'),
        { deadlineMs: 30_000 },
      );
      const broken = await report([asked, place]);
      assert.is(broken.code, 2);
      const said = namesOf(broken);
      for (const one of ['error unreachable', 'warning unreachable', 'warning seeds']) {
        assert.ok(said.includes(one), `${one}: ${said.join()}`);
      }
    } finally {
      await cluster.stop();
    }
  }));

test('login, level and nodes come from the configuration, whose secrets are not printed', () =>
  withServer({ requirepass: 'sesame' }, async (server, place, folder) => {
    const lines = ['store redis', `redis_nodes ${place}`, 'redis_password sesame'];
    const file = folder.write('broker.conf', [...lines, 'ack_level replica', ''].join('\n'));

    const fromFile = await report(['-c', file]);
    assert.is(fromFile.ackLevel, 'replica');
    assert.is(fromFile.code, 2);
    assert.ok(namesOf(fromFile).includes('error replicas'));
    const { out } = await check(['--config', file]);
    assert.match(out, /^Redis, no cluster, 1 node; ack_level replica\n/);
    assert.not.match(out, /sesame/);

    const environment = {
      TIDEWIRE_STORE: 'redis',
      TIDEWIRE_REDIS_NODES: place,
      TIDEWIRE_REDIS_PASSWORD: 'sesame',
    };
    assert.is((await report([], environment)).code, 0);

    const secret = folder.write('secret', 'sesame\n');
    const given = await report(['--password-file', secret, '--ack-level=primary', place]);
    assert.is(given.code, 0);
    assert.is(given.ackLevel, 'primary');

    const closed = await check([place]);
    assert.is(closed.code, 1);
    assert.match(closed.errors, /^Error: no Redis node answers: .*NOAUTH.*\n$/);
    assert.is((await check(['-c', file, '127.0.0.1:1'])).code, 1);
    assert.is(await server.command('DBSIZE'), 0, 'nothing was written');
  }));

test('what a user may not ask is left out, and said', () =>
  withServer({}, async (server, place, folder) => {
    const rules = ['on', '>pw', '~*', '+@all', '-config', '-slowlog', '-latency', '-command'];
    await server.command('ACL', 'SETUSER', 'limited', ...rules);
    const secret = folder.write('secret', 'pw');
    const limited = await report(['--user', 'limited', '--password-file', secret, place]);
    assert.is(limited.code, 0);
    assert.ok(namesOf(limited).includes('advice config'));
  }));

test('a replica of a single server is seen, and is no node to be named', () =>
  withServer({}, (primary, place) =>
    withServer({ replicaof: `127.0.0.1 ${primary.port}` }, async (replica, replicaPlace) => {
      await until(
        'the replica to follow',
        async () => (await replica.info('master_link_status')) === 'up',
      );
      await until('the primary to know', async () =>
        (await primary.info('slave0')).includes('state=online'),
      );
      const both = await report([place]);
      assert.equal(
        both.nodes.map(({ name, role }) => `${name} ${role}`),
        [`${place} primary`, `${replicaPlace} replica`],
      );
      assert.ok(namesOf(both).includes('advice failover'));
      const wrong = await report([replicaPlace]);
      assert.is(wrong.code, 2);
      assert.ok(namesOf(wrong).includes('error read-only'));
    }),
  ));

test('a server that says nothing ends the check in time', () =>
  withServer({}, async (server, place) => {
    server.signal('SIGSTOP');
    const { code, errors } = await check([place]);
    assert.is(code, 1);
    assert.match(errors, /no answer/);
  }));

test('a slow command is named without its arguments', () =>
  withServer({ 'slowlog-log-slower-than': 1_000 }, async (server, place) => {
    await server.command(
      'EVAL',
      "local t = redis.call('TIME') " +
        "repeat local n = redis.call('TIME') " +
        'until (n[1] - t[1]) * 1e6 + n[2] - t[2] > 150000 return ARGV[1]',
      0,
      'secret-argument',
    );
    const { code, out } = await check([place]);
    assert.is(code, 0);
    assert.match(out, /what {2}EVAL took \d+ ms, \d+ s ago/);
    assert.not.match(out, /secret-argument/);
  }));

test('bad usage is one line that says what to do, and exit code 1', async () => {
  await withTempFolder(async (folder) => {
    const memory = folder.write('memory.conf', 'store memory\n');
    const redis = folder.write('redis.conf', 'store redis\nredis_nodes 127.0.0.1:1\n');
    const empty = folder.write('empty', '\n');
    for (const [args, message] of [
      [[], /name a node \(HOST:PORT\), or a configuration with -c FILE/],
      [['--json', '--tls'], /HOST:PORT is missing/],
      [['localhost'], /HOST:PORT "localhost" is not valid: expected host:port/],
      [['user:pw@localhost:6379'], /HOST:PORT takes host:port alone/],
      [['--nonsense'], /unknown option --nonsense/],
      [['-c'], /-c needs a value/],
      [['-c', redis, '-c', redis], /-c was given twice/],
      [['-c', folder.file('none')], /none: does not exist/],
      [['-c', memory], /memory\.conf: the store is memory, not redis/],
      [['-c', redis, '--tls'], /--tls: .*redis\.conf says that/],
      [['--user', 'u', 'h:1'], /--user needs --password-file/],
      [['--password-file', folder.file('none'), 'h:1'], /--password-file .*ENOENT/],
      [['--password-file', empty, 'h:1'], /its first line is empty/],
      [['--certfile', empty, 'h:1'], /--certfile and --keyfile go together/],
      [['--cafile', folder.file('none'), 'h:1'], /none: ENOENT/],
      [
        ['--ack-level', 'all', 'h:1'],
        /--ack-level "all" is not valid: expected one of primary, replica, aof/,
      ],
    ] as const) {
      const { code, errors, out } = await check(args);
      assert.is(code, 1, args.join(' '));
      assert.is(out, '');
      assert.match(errors, /^Error: [^\n]+\n$/);
      assert.match(errors, message);
      assert.not.match(errors, /pw@/);
    }
  });
});

test('the executable has it, and says how it is used', async () => {
  const broker = fileURLToPath(new URL('../src/broker.js', import.meta.url));
  const help = await run(process.execPath, [broker, 'redis-check', '-h']);
  assert.is(help.code, 0);
  assert.match(help.stdout, /^Usage: tidewire redis-check /);
  const bad = await run(process.execPath, [broker, 'redis-check']);
  assert.is(bad.code, 1);
  assert.match(bad.output, /^Error: name a node/);
});

test.run();
