// slow
// deadline: 300 s
/** What people ran the Redis plugin for Mosquitto for, as the script for them shows it. */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../support/process.js';
import { projectRoot } from '../support/root.js';

const test = suite('redis plugin scenarios');

test('all of them hold with three brokers and clients of Mosquitto', async () => {
  const script = join(projectRoot, 'conformance', 'redis-plugin-scenarios.sh');
  const { code, output } = await run('sh', [script], { deadlineMs: 280_000 });
  const lines = output.trim().split('\n');
  assert.equal(
    lines.filter((line) => !line.startsWith('ok ')),
    [],
  );
  assert.is(lines.length, 8, output);
  assert.is(code, 0);
});

test.run();
