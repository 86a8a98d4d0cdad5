// slow
// deadline: 3600 s
/** Short histories of one to three brokers; `npm run simulate` runs as many more as one likes. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inItsOwnTurn, type Report, runHistory } from './history.js';

/** Minutes of them only where nobody waits for it. */
const HISTORIES = process.env.CI === 'true' ? 2_000 : 40;
/** Seeds that found something once; where they did so with a number of brokers of their own. */
const found: readonly (readonly [seed: number, brokers?: number])[] = [
  [6, 3],
  [11, 3],
  [19, 3],
  [20, 3],
  [26, 3],
  [28, 3],
  [42, 3],
  [49, 3],
  [53, 3],
  [54, 3],
  [58, 3],
  [59, 3],
  [139],
  [288],
  [1065],
  [1089],
  [1115],
  [1166],
  [344],
  [632],
  [1055],
  [3020],
  [3031, 3],
  [3054, 3],
  [3228, 3],
  [3326, 3],
  [10_041],
  [10_108],
  [10_152],
  [10_405],
  [247],
  [845],
  [1325],
  [1487],
  [1516],
  [1788],
  [879],
  [940],
  [3022, 3],
];

const test = suite('simulation');

function run(seed: number, brokers?: number, isTraced = false): Promise<Report> {
  return inItsOwnTurn(() => runHistory({ seed, brokers, isTraced }));
}

async function check(seed: number, brokers?: number): Promise<void> {
  const { problems } = await run(seed, brokers);
  if (problems.length === 0) return;
  const { lines } = await run(seed, brokers, true);
  const again = `npm run simulate -- --histories 1 --seed ${seed}`;
  const how = brokers === undefined ? again : `${again} --brokers ${brokers}`;
  assert.unreachable(`${lines.join('\n')}\n${problems.join('\n')}\nagain: ${how}`);
}

test('a seed gives the same history each time', async () => {
  const first = await run(8, 3, true);
  const second = await run(8, 3, true);
  assert.equal(second.lines, first.lines);
  assert.ok(first.acknowledged > 20);
});

for (const [seed, brokers] of found) {
  test(`seed ${seed} of ${brokers ?? 'any number of'} brokers keeps all promises`, () =>
    check(seed, brokers));
}

test('random histories keep all promises', async () => {
  for (let seed = 1; seed <= HISTORIES; seed++) await check(seed);
});

test.run();
