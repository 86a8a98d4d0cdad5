/** The layers put together: what a reload leaves in memory. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Assembly } from '../src/assembly.js';
import type { Config } from '../src/config/config.js';
import { defaultAccess, defaultConfig, defaultListener } from '../src/config/defaults.js';

const test = suite('assembly');

/** As the configuration file is read anew: equal, and nothing of it the same object. */
function freshConfig(): Config {
  const listeners = [1, 2].map((n) =>
    defaultListener({ name: `listener ${n}`, port: 0, host: '127.0.0.1', access: defaultAccess() }),
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

test.run();
