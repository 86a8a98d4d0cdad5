/** Runs tests at once against one broker, and judges the invariants over all of them. */
import type { Broker } from './brokers/broker.js';
import { TestContext } from './context.js';
import { messageOf, SkipTest } from './expect.js';
import type { Rule } from './raw/rules.js';
import { type Invariant, invariants, type TestCase, testCases } from './registry.js';

const CONCURRENCY = 24;
const TEST_DEADLINE_MS = 45_000;

export interface Result {
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  /** What was expected and what came, or why it was skipped. */
  readonly text: string;
}

/** Breaches and packet types of all tests, per version label. */
interface Observations {
  readonly breaches: Map<string, Map<Rule, string>>;
  readonly seen: Map<string, Set<string>>;
}

/** Runs what `only` selects; results come in the order of declaration. */
export async function run(broker: Broker, only: string): Promise<Result[]> {
  const isWanted = (one: { name: string; statements: readonly string[] }) =>
    only === '' || one.name.includes(only) || one.statements.some((id) => id.includes(only));
  const wanted = testCases.filter(isWanted);
  const results = new Map<string, Result>();
  const observations: Observations = { breaches: new Map(), seen: new Map() };
  const ready: TestCase[] = [];
  for (const one of wanted) {
    const missing = broker.missing(one.profile);
    if (missing === null) ready.push(one);
    else results.set(one.name, { name: one.name, status: 'skipped', text: missing });
  }
  await broker.start(ready.map((one) => one.profile));
  ready.sort((a, b) => Number(b.isSlow) - Number(a.isSlow));
  await Promise.all(
    Array.from({ length: CONCURRENCY }, () => work(broker, ready, results, observations)),
  );
  const judged = invariants.filter(isWanted).map((one) => judge(one, observations, only === ''));
  const faults = broker.faults().map((text) => ({ name: 'the broker stays up', text }));
  return [
    ...wanted.map((one) => results.get(one.name) as Result),
    ...judged,
    ...faults.map((fault): Result => ({ ...fault, status: 'failed' })),
  ];
}

async function work(
  broker: Broker,
  queue: TestCase[],
  results: Map<string, Result>,
  observations: Observations,
): Promise<void> {
  for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
    results.set(one.name, await runOne(broker, one, observations));
  }
}

async function runOne(broker: Broker, one: TestCase, into: Observations): Promise<Result> {
  const context = new TestContext(one.label, broker, one.profile);
  const faults: string[] = [];
  try {
    await withDeadline(one.body(context));
  } catch (error) {
    if (error instanceof SkipTest) {
      await context.finish();
      return { name: one.name, status: 'skipped', text: error.message };
    }
    faults.push(messageOf(error));
  }
  const breaches = context.breaches();
  observe(one.label, context, into);
  faults.push(...breaches.slice(0, 3).map(({ rule, text }) => `broke the rule ${rule}: ${text}`));
  try {
    await context.finish();
  } catch (error) {
    if (faults.length === 0) faults.push(`cleaning up: ${messageOf(error)}`);
  }
  const status = faults.length === 0 ? 'passed' : 'failed';
  return { name: one.name, status, text: faults.join('; ').replaceAll('\n', ' ') };
}

function observe(label: string, context: TestContext, into: Observations): void {
  const breaches = into.breaches.get(label) ?? new Map<Rule, string>();
  for (const { rule, text } of context.breaches()) breaches.set(rule, text);
  into.breaches.set(label, breaches);
  const seen = into.seen.get(label) ?? new Set();
  for (const type of context.seenTypes()) seen.add(type);
  into.seen.set(label, seen);
}

/** Passes when no test saw a breach; in a whole run, only if it saw the packets at all. */
function judge(one: Invariant, from: Observations, isWholeRun: boolean): Result {
  const { name } = one;
  const breaches = from.breaches.get(one.label);
  for (const rule of one.rules) {
    const text = breaches?.get(rule);
    if (text !== undefined)
      return { name, status: 'failed', text: `expected no breach, got ${text}` };
  }
  const missing = one.needs.find((type) => !from.seen.get(one.label)?.has(type));
  if (missing === undefined) return { name, status: 'passed', text: '' };
  if (!isWholeRun) return { name, status: 'skipped', text: `no ${missing} in the tests that ran` };
  return {
    name,
    status: 'failed',
    text: `expected a ${missing.toUpperCase()}, got none in any test`,
  };
}

function withDeadline(work: Promise<void>): Promise<void> {
  let deadline: NodeJS.Timeout;
  const late = new Promise<void>((_resolve, reject) => {
    deadline = setTimeout(() => reject(new Error('expected an end in time')), TEST_DEADLINE_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(deadline));
}
