/** Another load generator than ours: how it is called, and how its figures are shown. */
import { chmodSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BenchError } from '../../../bench/bench-error.js';
import type { WorkloadResult } from '../../../bench/e2e/end-to-end.js';
import { runLoad } from '../../../bench/e2e/load-process.js';
import { workloads } from '../../../bench/e2e/workloads.js';
import { toReport } from '../../../bench/report/markdown.js';
import { TempFolder } from '../../support/temp.js';

const test = suite('another load generator');
const folder = new TempFolder();
test.after(() => folder.remove());

const request = {
  ...{ port: 1883, brokerPid: 1, options: ['-q', '1'], seconds: 2, warmupSeconds: 1 },
};

function program(name: string, body: string): string {
  const path = folder.file(name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

function measured(
  broker: 'tidewire' | 'mosquitto',
  figure: number,
): WorkloadResult['measurements'][number] {
  return {
    ...{ broker, figure, figures: [figure], spread: 0, perSecond: figure, brokerCpu: 1 },
    ...{ generatorCpu: null, p50Us: 1, p99Us: 2, rssMiB: 3, lost: 0, isGeneratorBound: false },
  };
}

test('it gets our options, and its last line is the result', async () => {
  const generator = program('echo', 'echo connecting; echo "[\\"$*\\"]"');
  const [words] = await runLoad<string[]>({ ...request, generator });
  assert.is(words, '-p 1883 -k 1 -q 1 -d 2 -W 1');
});

test('what it complains about is said, and so is that it is not there', async () => {
  const failing = program('fail', 'echo no broker there >&2; exit 1');
  for (const [generator, detail] of [
    [failing, 'load generator failed: no broker there'],
    [folder.file('missing'), 'ENOENT'],
  ]) {
    try {
      await runLoad({ ...request, generator });
    } catch (error) {
      assert.instance(error, BenchError);
      assert.match((error as Error).message, detail);
      continue;
    }
    assert.unreachable(`${generator} did not fail`);
  }
});

test('the report has its table beside ours, with the name of the program', () => {
  const machine = { cpu: 'a chip', cores: 2, memoryGiB: 4, system: 'linux', node: 'v20' };
  const workload = workloads.find(({ id }) => id === 'qos1-4-4')!;
  const measurements = [measured('tidewire', 1_600_000), measured('mosquitto', 80_000)];
  const report = toReport({
    ...{ version: 2, endToEnd: null, micro: null, scale: null, durable: null, cluster: null },
    otherGenerator: {
      ...{ date: '2026-01-31', machine, generator: 'other' },
      settings: { rounds: 3, seconds: 3, warmupSeconds: 1 },
      brokers: [
        { id: 'tidewire', name: 'Tidewire', version: '1' },
        { id: 'mosquitto', name: 'Mosquitto', version: '2' },
      ],
      rows: [{ workload, measurements, note: '' }],
    },
  });
  assert.match(report, '### With the load generator `other`');
  assert.match(report, '| 1,600,000 | 80,000 | 20.0× | – | 15× | 22× | must |');
});

test.run();
