/** The layers put together: what a reload leaves in memory, and the clockwork. */
import { type AddressInfo, connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Assembly } from '../src/assembly.js';
import type { AccessConfig, Config } from '../src/config/config.js';
import { defaultAccess, defaultConfig, defaultListener } from '../src/config/defaults.js';
import { until } from './support/until.js';

const test = suite('assembly');

const pingreq = Buffer.from([0xc0, 0]);

/** As the configuration file is read anew: equal, and nothing of it the same object. */
function freshConfig(access: Partial<AccessConfig> = {}): Config {
  const listeners = [1, 2].map((n) =>
    defaultListener({
      name: `listener ${n}`,
      port: 0,
      host: '127.0.0.1',
      access: defaultAccess(access),
    }),
  );
  return { ...defaultConfig(), listeners };
}

function mapSizes(assembly: Assembly): number[] {
  const maps = Object.values(assembly).filter((value) => value instanceof Map);
  return maps.map((map: Map<unknown, unknown>) => map.size);
}

test('a reload leaves nothing of the rules before it behind', async () => {
  const assembly = new Assembly(freshConfig());
  await assembly.start();
  try {
    const before = mapSizes(assembly);
    assert.ok(before.length > 0);
    for (let again = 0; again < 5; again++) assembly.reload(freshConfig());
    assert.equal(mapSizes(assembly), before);
  } finally {
    await assembly.close();
  }
});

test('a process that was kept from reading does not take its clients for silent', async () => {
  const assembly = new Assembly(freshConfig({ allowAnonymous: true }));
  await assembly.start();
  const { port } = assembly.listeners[0]!.addresses()[0] as AddressInfo;
  const client = connect({ port, host: '127.0.0.1' });
  let received = 0;
  client.on('data', (bytes) => {
    received += bytes.length;
  });
  try {
    // MQTT 3.1.1, Keep Alive 1, client identifier `c`.
    client.write(Buffer.from([16, 13, 0, 4, 77, 81, 84, 84, 4, 2, 0, 1, 0, 1, 99]));
    await until('CONNACK', () => received === 4);
    client.write(pingreq);
    // Longer than one and a half times the Keep Alive.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000);
    await until('PINGRESP', () => received === 6);
    client.write(pingreq);
    await until('the next one', () => received === 8);
    assert.is(assembly.core.metrics.keepAliveTimeouts, 0);
  } finally {
    client.destroy();
    await assembly.close();
  }
});

test.run();
