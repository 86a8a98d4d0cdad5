/**
 * Aedes as a process of its own, in its default configuration: `node build/bench/peers/aedes.js
 * <port>`. The other JavaScript broker, for comparison.
 */
import { createServer } from 'node:net';
import { Aedes } from 'aedes';

const port = Number(process.argv[2]);
const broker = await Aedes.createBroker();
const server = createServer(broker.handle);
server.listen(port, '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));
