/** The subscription index with a million subscriptions in it. */
import { Subscription } from '../../src/broker/subscription.js';
import { MatchResult, SubscriptionIndex } from '../../src/broker/subscription-index.js';
import { newSession, SubscriptionSet } from '../scale/subscription-set.js';
import { type MicroTask, sink } from './micro-task.js';

const SUBSCRIPTIONS = 1_000_000;
/** Enough that topics do not stay in the processor's caches. */
const TOPICS = 100_000;
const BATCH = 1000;

export function indexTasks(): MicroTask[] {
  const set = new SubscriptionSet(SUBSCRIPTIONS);
  const index = new SubscriptionIndex();
  set.addTo(index, SUBSCRIPTIONS);
  const session = newSession();
  return [
    matchTask('match a device topic', index, () => set.deviceTopic()),
    matchTask('match an unknown device', index, () => set.unknownDeviceTopic()),
    changeTask('add and remove, exact', index, (i) => {
      return new Subscription(session, `s/1/d/new${i}/k/1`, 1, false, false, null, null);
    }),
    changeTask('add and remove, wildcard', index, (i) => {
      return new Subscription(session, `s/1/d/+/k/new${i}`, 1, false, false, null, null);
    }),
  ];
}

function matchTask(name: string, index: SubscriptionIndex, topic: () => string): MicroTask {
  const topics = Array.from({ length: TOPICS }, topic);
  const result = new MatchResult();
  let next = 0;
  return task(name, () => {
    for (let i = 0; i < BATCH; i++) {
      result.clear();
      index.match(topics[next], result);
      sink.value += result.subscriptions.length;
      next = next + 1 === TOPICS ? 0 : next + 1;
    }
  });
}

function changeTask(
  name: string,
  index: SubscriptionIndex,
  make: (i: number) => Subscription,
): MicroTask {
  const subscriptions = Array.from({ length: BATCH }, (_, i) => make(i));
  return task(name, () => {
    for (const subscription of subscriptions) index.add(subscription.filter, subscription);
    for (const { filter, session } of subscriptions) index.remove(filter, session);
  });
}

function task(name: string, run: () => void): MicroTask {
  return { group: '1 M subscriptions', name, operations: BATCH, run };
}
