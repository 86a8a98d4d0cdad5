/**
 * Aedes with its sessions and its messages in Redis, both packages as they come: `node
 * build/bench/peers/aedes-redis.js <port> <port of Redis>`. What the durable rows compare with.
 */
import { createServer } from 'node:net';
import { Aedes } from 'aedes';
import persistence from 'aedes-persistence-redis';
import emitter from 'mqemitter-redis';

const port = Number(process.argv[2]);
const redis = { host: '127.0.0.1', port: Number(process.argv[3]) };
const broker = await Aedes.createBroker({ mq: emitter(redis), persistence: persistence(redis) });
const server = createServer(broker.handle);
server.listen(port, '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));
