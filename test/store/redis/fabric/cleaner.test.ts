// slow
/** What dead brokers left, and those who see to it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Cleaner } from '../../../../src/store/redis/fabric/cleaner.js';
import { redisFor } from '../../../support/redis-for.js';
import { until } from '../../../support/until.js';
import { type TestBroker, withBrokers } from '../heard-fabric.js';

const test = suite('cleaner');
const redis = redisFor(test);

/** Of QoS 1, version 1, topic `t`, nothing else. */
const record = Buffer.from([1, 1, 0, 1, 0x74, 0, 0, 0, 0, 0, 0, 0]);

test(
  'a broker that leaves in the middle of it deletes nothing that it has not passed on',
  withBrokers(redis, 2, async (brokers) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    const { node } = b.store.fabric;
    b.store.abort();
    brokers.pop();
    await new Promise<void>((resolve) => {
      a.store.fabric.publishTo(node, 'member', record, null, () => resolve());
    });
    const leaving = new Cleaner(
      a.store,
      () => [],
      () => null,
    );
    const answer = await leaving.clean(node).catch((error: Error) => error.message);

    assert.is(answer, 'this broker leaves');
    const isPassedOn = () => a.heard.count('published to member') === 1;
    await until('it to be passed on by who stays', isPassedOn, { deadlineMs: 10_000 });
  }),
);

test.run();
