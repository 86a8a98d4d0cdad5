// slow
/** The Redis store keeps the contract on a cluster with replicas, whose word it waits for. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RedisCluster } from '../../support/redis-cluster.js';
import { TempFolder } from '../../support/temp.js';
import { addStoreContract } from '../support/contract.js';
import { createRedisHarness } from './harness.js';

const test = suite('redis store on a cluster');
const folder = new TempFolder();
let cluster: RedisCluster;

test.before(async () => {
  cluster = await RedisCluster.start({ folder: folder.path });
});

test.after(async () => {
  await cluster.stop();
  folder.remove();
});

addStoreContract(test, () => createRedisHarness(cluster.addresses));

test('one address of a node is enough, a replica or a dead one among others', async () => {
  const replica = cluster.nodes.find(({ isPrimary }) => !isPrimary)!.server.port;
  const harness = await createRedisHarness([
    ['127.0.0.1', 1],
    ['127.0.0.1', replica],
  ]);
  try {
    const claims = ['a', 'b', 'c', 'd'].map((clientId) => harness.store.claim(request(clientId)));
    assert.ok((await Promise.all(claims)).every(({ epoch }) => epoch > 0));
  } finally {
    await harness.dispose();
  }
});

function request(clientId: string) {
  return {
    clientId,
    connects: true,
    cleanStart: false,
    isDurable: true,
    expiryInterval: 60,
    info: Buffer.alloc(0),
    will: null,
    willDelay: 0,
  };
}

test.run();
