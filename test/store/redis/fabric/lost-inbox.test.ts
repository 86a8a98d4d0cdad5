// slow
/** A broker whose inbox Redis lost: nothing that others say arrives, until it comes back anew. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { redisFor } from '../../../support/redis-for.js';
import { until, within } from '../../../support/until.js';
import { type TestBroker, withBrokers } from '../heard-fabric.js';

const test = suite('lost inbox');
const redis = redisFor(test);

function nodeOf({ store }: TestBroker): string {
  return store.fabric.node;
}

/** As when a slot loses its keys. */
async function lose(prefix: string, node: string): Promise<void> {
  const keys = (await redis.server.command('KEYS', `${prefix}{node:${node}}*`)) as string[];
  await redis.server.command('DEL', ...keys);
}

test(
  'a broker whose inbox is lost joins again, also when nobody connects to it',
  withBrokers(redis, 2, async (brokers, { prefix }) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    const before = nodeOf(b);
    await lose(prefix, before);

    const isBack = () => nodeOf(b) !== before && a.store.fabric.isLive(nodeOf(b));
    await until('it to be back', isBack, { deadlineMs: 10_000 });
    assert.is(b.heard.count('removed'), 1);
    await until('a to be known', () => b.store.fabric.peers.has(nodeOf(a)));
    a.store.fabric.publish(nodeOf(b), Buffer.from('one'), null, () => undefined);
    await until('what it is told', () => b.heard.log.includes('published one'));
    await within('it to have heard', b.store.fabric.hear()!, { deadlineMs: 5_000 });
    assert.is(a.heard.count('removed'), 0);
  }),
);

test(
  'who waits for a note goes on when the inbox is lost',
  withBrokers(redis, 2, async (brokers, { prefix }) => {
    const b = brokers[1]!;
    await lose(prefix, nodeOf(b));
    await within('the wait to end', b.store.fabric.hear()!, { deadlineMs: 5_000 });
    assert.is(b.heard.count('removed'), 1);
  }),
);

test(
  'others see to the sessions of a broker whose record was lost with its inbox',
  withBrokers(redis, 2, async (brokers, { prefix }) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    await b.driver.claim('c');
    await lose(prefix, nodeOf(b));

    const isOffline = async () => {
      const lists = await Promise.all(
        [0, 1, 2, 3].map((shard) =>
          redis.server.command('ZRANGE', `${prefix}{x:${shard}}:z`, 0, -1),
        ),
      );
      return lists.flat().includes('c');
    };
    await until('its client to be offline', isOffline, { deadlineMs: 10_000 });
    assert.is(a.heard.count('removed'), 0);
  }),
);

test.run();
