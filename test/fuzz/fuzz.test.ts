// slow
// deadline: 120 s
import { randomInt } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { corpus, judge } from './corpus/corpus.js';
import { FuzzedBroker } from './fuzzed-broker.js';
import { type FuzzReport, fuzz } from './fuzzer.js';

const fixedSeed = 20_240_607;
// Some cases wait for a timeout of the broker's.
const casesAtOnce = 24;
const randomSeed = randomInt(2 ** 31 - 1);

const hostile = suite('hostile corpus');

let broker: FuzzedBroker;

hostile.before(async () => {
  broker = await FuzzedBroker.start();
});

hostile('every case has a name of its own', () => {
  const names = corpus.map(({ name }) => name);
  assert.equal(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
});

hostile('every case gets its answer, and nothing behind a fatal packet is processed', async () => {
  const spy = await broker.running.connect({ clientId: 'spy', protocolVersion: 5 });
  await spy.subscribe('after/#', 1);
  const wrong: string[] = [];
  const queue = [...corpus];
  const worker = async (): Promise<void> => {
    for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
      const problem = await judge(broker.ports, one);
      if (problem !== null) wrong.push(`${one.name}: ${problem}`);
    }
  };
  await Promise.all(Array.from({ length: casesAtOnce }, worker));
  await spy.publish('after/all', 'fence', { qos: 1 });
  await spy.untilMessages(1);
  const leaked = spy.payloads.filter((payload) => payload !== 'fence');
  assert.equal(leaked, [], 'processed behind a fatal packet');
  assert.equal(wrong, []);
  await spy.end();
});

hostile('a case that gets another answer than it should is noticed', async () => {
  const named = (name: string) => {
    const found = corpus.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no case '${name}'`);
    return found;
  };
  const fatal = named('a PUBLISH with QoS 3 in MQTT 5.0');
  const harmless = named('a puback of nothing in MQTT 5.0');
  const wrong = [
    { ...fatal, verdict: 'served' as const },
    { ...fatal, reasonCode: 0x82 },
    { ...harmless, verdict: 'closed' as const },
  ];
  for (const one of wrong) assert.ok(await judge(broker.ports, one), one.verdict);
  for (const one of [fatal, harmless]) assert.is(await judge(broker.ports, one), null);
});

hostile('the broker is alive after it and ends with exit code 0', async () => {
  assert.is(broker.isAlive, true);
  await broker.stop();
});

hostile.run();

const fuzzer = suite('fuzzer');

function explain(report: FuzzReport): string {
  const lines = [`seed ${report.seed}`, ...report.breaches, ...report.problems, ...report.suspects];
  return lines.join('\n');
}

for (const [name, seed, durationMs] of [
  ['a fixed seed', fixedSeed, 8_000],
  ['a random seed', randomSeed, 6_000],
] as const) {
  fuzzer(`attacks drawn from ${name} (${seed}) do no harm`, async () => {
    const report = await fuzz({ seed, durationMs, connections: 16 });
    assert.is(report.problems.length + report.breaches.length, 0, explain(report));
    assert.ok(report.attacks > 300 && report.packets > 100 && report.closedByBroker > 100);
    assert.ok(report.delivered > 0);
  });
}

fuzzer.run();
