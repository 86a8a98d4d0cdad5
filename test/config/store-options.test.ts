/** The store of a program: the same values are right and wrong as in a configuration file. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerError } from '../../src/base/errors.js';
import { type StoreOptions, storeConfigOf } from '../../src/config/store-options.js';

const test = suite('store options');

const unwarned = (): never => {
  throw new Error('there is nothing to warn of');
};

test('memory, disk and redis, with the defaults of the configuration', () => {
  assert.equal(storeConfigOf({ kind: 'memory' }, unwarned), { kind: 'memory' });
  assert.equal(storeConfigOf({ kind: 'disk', dataDir: 'some data' }, unwarned), {
    kind: 'disk',
    folder: 'some data',
    sync: 'always',
  });
  const redis = { kind: 'redis', nodes: '10.0.0.1:6379', nodeName: 'one' } as const;
  assert.equal(storeConfigOf(redis, unwarned), {
    kind: 'redis',
    nodes: [{ host: '10.0.0.1', port: 6379 }],
    username: null,
    password: null,
    tls: null,
    prefix: 'tw:',
    ackLevel: null,
    nodeName: 'one',
    leaseS: 15,
  });
});

test('all options of redis', () => {
  const config = storeConfigOf(
    {
      kind: 'redis',
      nodes: ['a:1', '[::1]:2'],
      nodeName: 'one',
      username: 'user',
      password: 'pass word',
      tls: { caFile: 'ca.crt', certFile: 'c.crt', keyFile: 'c.key' },
      prefix: 'mqtt:',
      ackLevel: 'replica',
    },
    unwarned,
  );

  assert.equal(config, {
    kind: 'redis',
    nodes: [
      { host: 'a', port: 1 },
      { host: '::1', port: 2 },
    ],
    username: 'user',
    password: 'pass word',
    tls: { caFile: 'ca.crt', caPath: null, certFile: 'c.crt', keyFile: 'c.key', insecure: false },
    prefix: 'mqtt:',
    ackLevel: 'replica',
    nodeName: 'one',
    leaseS: 15,
  });
});

test('tls may be true, false or left out, and what is undefined counts as left out', () => {
  const base = { kind: 'redis', nodes: 'a:1', nodeName: 'n' } as const;
  const tlsOf = (tls: boolean) => {
    const config = storeConfigOf({ ...base, tls }, unwarned);
    return config.kind === 'redis' ? config.tls : assert.unreachable();
  };
  const plain = { caFile: null, caPath: null, certFile: null, keyFile: null, insecure: false };
  assert.equal(tlsOf(true), plain);
  assert.is(tlsOf(false), null);
  const some = { ...base, prefix: undefined } as unknown as StoreOptions;
  assert.ok(storeConfigOf(some, unwarned));
});

const wrong: readonly (readonly [unknown, RegExp])[] = [
  [{ kind: 'disc' }, /^store\.kind: .*disc.*memory, disk, redis/],
  [{}, /^store\.kind: the value must be text/],
  [{ kind: 'disk' }, /^store\.kind: store disk needs data_dir/],
  [{ kind: 'disk', dataDir: '' }, /^store\.dataDir: the value is empty/],
  [{ kind: 'disk', dataDir: 7 }, /^store\.dataDir: the value must be text/],
  [{ kind: 'disk', dataDir: 'x', sync: 'never' }, /^store\.sync: .*never.*always/],
  [{ kind: 'disk', datadir: 'x' }, /^store\.datadir: unknown option.*dataDir/],
  [{ kind: 'disk', dataDir: 'x', nodes: 'a:1' }, /^store\.nodes: unknown option/],
  [{ kind: 'disk', dataDir: 'x', constructor: 'y' }, /^store\.constructor: unknown option/],
  [{ kind: 'redis', nodeName: 'n' }, /^store\.kind: store redis needs redis_nodes/],
  [{ kind: 'redis', nodes: [], nodeName: 'n' }, /^store\.nodes: the value is empty/],
  [{ kind: 'redis', nodes: 'a', nodeName: 'n' }, /^store\.nodes: .*host:port/],
  [{ kind: 'redis', nodes: 'a:1' }, /^store\.nodeName: store redis needs a name/],
  [{ kind: 'redis', nodes: 'a:1', nodeName: 'n {' }, /^store\.nodeName: .*braces/],
  [{ kind: 'redis', nodes: 'a:1', nodeName: 'n', ackLevel: 'all' }, /^store\.ackLevel: .*aof/],
  [{ kind: 'redis', nodes: 'a:1', nodeName: 'n', username: 'u' }, /^store\.username: .*password/],
  [
    { kind: 'redis', nodes: 'a:1', nodeName: 'n', tls: { cafile: 'x' } },
    /^store\.tls\.cafile: unknown option.*caFile/,
  ],
  [
    { kind: 'redis', nodes: 'a:1', nodeName: 'n', tls: { certFile: 'x' } },
    /^store\.tls\.certFile: .*keyfile is missing/,
  ],
];

for (const [options, expected] of wrong) {
  test(`${JSON.stringify(options)} is refused in one line`, () => {
    try {
      storeConfigOf(options as StoreOptions, unwarned);
    } catch (error) {
      assert.instance(error, BrokerError);
      const { code, message } = error as BrokerError;
      assert.is(code, 'CONFIG');
      assert.match(message, expected);
      assert.not.match(message, /\n/);
      return;
    }
    assert.unreachable();
  });
}

test('an unchecked certificate is allowed, and warned of', () => {
  const warnings: string[] = [];
  const tls = { insecure: true };
  const options = { kind: 'redis', nodes: 'a:1', nodeName: 'n', tls } as const;
  storeConfigOf(options, (option, message) => warnings.push(`${option} ${message}`));

  assert.is(warnings.length, 1);
  assert.match(warnings[0]!, /^store\.tls\.insecure .*not checked/);
});

test('a login in an address is not repeated in the error', () => {
  const options = { kind: 'redis', nodes: 'redis://u:secret@a:1', nodeName: 'n' } as const;
  try {
    storeConfigOf(options, unwarned);
  } catch (error) {
    assert.not.match((error as Error).message, /secret/);
    return;
  }
  assert.unreachable();
});

test.run();
