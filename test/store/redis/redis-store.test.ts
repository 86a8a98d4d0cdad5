// slow
/** The Redis store keeps the contract on a single server. */
import { suite } from 'uvu';
import { RedisServer } from '../../support/redis-server.js';
import { TempFolder } from '../../support/temp.js';
import { addStoreContract } from '../support/contract.js';
import { createRedisHarness } from './harness.js';

const test = suite('redis store');
const folder = new TempFolder();
let server: RedisServer;

test.before(async () => {
  server = await RedisServer.start({ folder: folder.path });
});

test.after(async () => {
  await server.kill();
  folder.remove();
});

addStoreContract(test, () => createRedisHarness([['127.0.0.1', server.port]]));

test.run();
