/** Runs tests at once against one broker, and judges the invariants over all of them. */
import type { Broker } from './brokers/broker.js';
import { TestContext } from './context.js';
import { messageOf, SkipTest } from './expect.js';
import type { Rule } from './raw/rules.js';
import { type Invariant, invariants, type TestCase, testCases } from './registry.js';

const CONCURRENCY = 24;
const TEST_DEADLINE_MS = 45_000;
/** Three brokers and six Redis servers are on the same machine. */
const CLUSTER_TEST_DEADLINE_MS = 150_000;

export interface Result {
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  /** What was expected and what came, or why it was skipped. */
  readonly text: string;
  /** Its clients talked to different brokers of a cluster. */
  readonly isAcross: boolean;
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
    else
      results.set(one.name, { name: one.name, status: 'skipped', text: missing, isAcross: false });
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
    ...faults.map((fault): Result => ({ ...fault, status: 'failed', isAcross: false })),
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
    const isCluster = broker.nodes.length > 1;
    await withDeadline(one.body(context), isCluster ? CLUSTER_TEST_DEADLINE_MS : TEST_DEADLINE_MS);
  } catch (error) {
    if (error instanceof SkipTest) {
      await context.finish();
      return { name: one.name, status: 'skipped', text: error.message, isAcross: false };
    }
    faults.push(messageOf(error));
  }
  const { isAcross } = context;
  const breaches = context.breaches();
  observe(one.label, context, into);
  faults.push(...breaches.slice(0, 3).map(({ rule, text }) => `broke the rule ${rule}: ${text}`));
  try {
    await context.finish();
  } catch (error) {
    if (faults.length === 0) faults.push(`cleaning up: ${messageOf(error)}`);
  }
  const status = faults.length === 0 ? 'passed' : 'failed';
  const text = faults.join('; ').replaceAll('\n', ' ');
  return { name: one.name, status, text, isAcross };
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
  // About each connection by itself, whichever broker it is to.
  const isAcross = false;
  const breaches = from.breaches.get(one.label);
  for (const rule of one.rules) {
    const text = breaches?.get(rule);
    if (text !== undefined)
      return { name, status: 'failed', text: `expected no breach, got ${text}`, isAcross };
  }
  const missing = one.needs.find((type) => !from.seen.get(one.label)?.has(type));
  if (missing === undefined) return { name, status: 'passed', text: '', isAcross };
  if (!isWholeRun) {
    return { name, status: 'skipped', text: `no ${missing} in the tests that ran`, isAcross };
  }
  return {
    name,
    status: 'failed',
    text: `expected a ${missing.toUpperCase()}, got none in any test`,
    isAcross,
  };
}

function withDeadline(work: Promise<void>, deadlineMs: number): Promise<void> {
  let deadline: NodeJS.Timeout;
  const late = new Promise<void>((_resolve, reject) => {
    deadline = setTimeout(() => reject(new Error('expected an end in time')), deadlineMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(deadline));
}
