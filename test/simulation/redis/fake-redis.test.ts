// slow
/** The fake Redis is one: the Redis store keeps its contract on it. */
import { suite } from 'uvu';
import { createRedisHarness } from '../../store/redis/harness.js';
import { addStoreContract } from '../../store/support/contract.js';
import { LiveRedis } from './harness.js';

const single = suite('redis store on a fake server');
const cluster = suite('redis store on a fake cluster');

for (const [test, primaries, replicas] of [
  [single, 0, 0],
  [cluster, 3, 1],
] as const) {
  let redis: LiveRedis;
  test.before(() => {
    redis = new LiveRedis({ primaries, replicas, skewMs: 0, isWhole: true });
  });
  test.after(() => redis.stop());
  addStoreContract(test, () => createRedisHarness(redis.fake.nodes));
}

single.run();
cluster.run();
