/**
 * Random runs: publishers and subscribers with durable sessions, a store that holds back, goes away
 * and comes back, connections that break and a broker that crashes. In the end nothing that was
 * acknowledged is missing (P1), QoS 2 came once (P2), and all is in order (P5).
 */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Publisher, Subscriber } from './support/actors.js';
import { DurableBroker } from './support/durable-broker.js';

const test = suite('durable: simulation');

const PUBLISHERS = ['p', 'q'];
const SUBSCRIBERS = [
  ['one', 1],
  ['two', 2],
] as const;

interface World {
  readonly broker: DurableBroker;
  readonly publishers: readonly Publisher[];
  readonly subscribers: readonly Subscriber[];
}

/** A step of a run; a failure prints its name. */
class Command {
  readonly run: (world: World) => void | Promise<void>;
  private readonly name: string;

  constructor(name: string, run: (world: World) => void | Promise<void>) {
    this.name = name;
    this.run = run;
  }

  toString(): string {
    return this.name;
  }
}

async function createWorld(isHeldRouted: boolean, appliesEarly: boolean): Promise<World> {
  const broker = await DurableBroker.start({
    habits: { isHeldRouted, appliesEarly },
    limits: { queuedMessagesMax: 0, inflightMessagesMax: 5 },
  });
  for (const clientId of PUBLISHERS) (await broker.durable(clientId)).drop();
  for (const [clientId, qos] of SUBSCRIBERS) await broker.subscriber(clientId, 'a', qos);
  await broker.settle();
  return {
    broker,
    publishers: PUBLISHERS.map((clientId) => new Publisher(broker, clientId)),
    subscribers: SUBSCRIBERS.map(([clientId]) => new Subscriber(broker, clientId)),
  };
}

const actorsOf = ({ publishers, subscribers }: World) => [...publishers, ...subscribers];

/** Lets everybody answer, until nobody has anything more to say. */
async function run(world: World): Promise<void> {
  for (let round = 0; round < 3; round++) {
    for (const actor of actorsOf(world)) actor.act();
    await world.broker.settle();
  }
}

async function crash(world: World): Promise<void> {
  for (const actor of actorsOf(world)) {
    actor.act();
    actor.lose();
  }
  await world.broker.crash();
}

const publisher = fc.nat(PUBLISHERS.length - 1);
const subscriber = fc.nat(SUBSCRIBERS.length - 1);
const qos = fc.constantFrom<1 | 2>(1, 2, 2);

type Weighted = fc.WeightedArbitrary<Command>;

function always(weight: number, name: string, act: Command['run']): Weighted {
  return { weight, arbitrary: fc.constant(new Command(name, act)) };
}

function withOne<Value>(
  weight: number,
  name: string,
  values: fc.Arbitrary<Value>,
  act: (world: World, value: Value) => void,
): Weighted {
  const of = (value: Value): Command =>
    new Command(`${name} ${String(value)}`, (world) => act(world, value));
  return { weight, arbitrary: values.map(of) };
}

const publication = fc.tuple(publisher, qos, fc.integer({ min: 1, max: 4 }));

const command: fc.Arbitrary<Command> = fc.oneof(
  withOne(12, 'publish', publication, ({ publishers }, [who, how, count]) => {
    for (let n = 0; n < count; n++) publishers[who]!.publish(how);
  }),
  withOne(3, 'repeat', fc.tuple(publisher, fc.nat(9)), ({ publishers }, [who, n]) => {
    publishers[who]!.repeat(n);
  }),
  always(10, 'run', run),
  always(6, 'connect', (world) => {
    for (const actor of actorsOf(world)) actor.connect();
  }),
  withOne(2, 'drop publisher', publisher, ({ publishers }, who) => publishers[who]!.drop()),
  withOne(3, 'drop subscriber', subscriber, ({ subscribers }, who) => subscribers[who]!.drop()),
  withOne(2, 'laziness of', subscriber, ({ subscribers }, who) => {
    subscribers[who]!.isLazy = !subscribers[who]!.isLazy;
  }),
  always(3, 'hold', ({ broker }) => {
    broker.store.isHolding = true;
  }),
  withOne(4, 'release', fc.integer({ min: 1, max: 4 }), ({ broker }, count) =>
    broker.store.release(count),
  ),
  always(3, 'flow', ({ broker }) => broker.store.flow()),
  always(1, 'away', ({ broker }) => broker.store.goAway()),
  always(2, 'back', ({ broker }) => broker.store.comeBack()),
  always(1, 'time', ({ broker }) => broker.broker.advance(1_500)),
  always(2, 'crash', crash),
);

/** Everything works from now on, and everybody is here until all is said. */
async function finish(world: World): Promise<void> {
  const { broker, publishers, subscribers } = world;
  broker.store.comeBack();
  broker.store.flow();
  await broker.settle();
  for (const one of subscribers) one.isLazy = false;
  for (let round = 0; round < 30; round++) {
    for (const actor of actorsOf(world)) actor.connect();
    await run(world);
    await broker.advance(1_500);
  }
  assert.ok(
    publishers.every(({ isDone }) => isDone),
    'every publisher is answered',
  );
}

function check({ broker, publishers, subscribers }: World): void {
  for (const [index, { got }] of subscribers.entries()) {
    const granted = SUBSCRIBERS[index]![1];
    const first = [...new Set(got)];
    for (const { clientId, sent, acknowledged } of publishers) {
      assert.is(acknowledged.length, sent.length);
      for (const kind of ['q1', 'q2']) {
        const isOne = (text: string): boolean => text.startsWith(clientId) && text.endsWith(kind);
        const expected = sent.filter(isOne);
        assert.equal(first.filter(isOne), expected, `${clientId} ${kind} in order`);
        const mayRepeat = kind === 'q1' || granted < 2;
        if (!mayRepeat) assert.equal(got.filter(isOne), expected, 'QoS 2 comes once');
      }
    }
  }
  const { core } = broker.broker;
  assert.is(core.metrics.droppedTotal, 0);
  assert.equal([core.journal!.pendingWrites, core.journal!.pendingBytes], [0, 0]);
  for (const { stored } of core.sessions.values()) assert.is(stored!.underway, 0);
}

test('nothing that was acknowledged is lost, QoS 2 comes once, and all is in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.boolean(),
      fc.array(command, { minLength: 10, maxLength: 60, size: 'max' }),
      async (isHeldRouted, appliesEarly, commands) => {
        const world = await createWorld(isHeldRouted, appliesEarly);
        for (const actor of actorsOf(world)) actor.connect();
        await run(world);
        for (const one of commands) {
          await one.run(world);
          world.broker.broker.settle();
        }
        await finish(world);
        check(world);
      },
    ),
    { numRuns: Number(process.env.RUNS ?? 60), includeErrorInReport: true },
  );
});

test.run();
