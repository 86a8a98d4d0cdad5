/**
 * The network between one broker and Redis: a process that listens on an address of the loopback
 * of its own, at the ports of all nodes of Redis, and passes on to these. So every connection of
 * that broker, and of no other one, goes through here. Redis must answer with
 * `cluster-preferred-endpoint-type unknown-endpoint`: then a broker finds all nodes at the host
 * where it asked.
 *
 * Arguments: the address, the ports with commas between. A line of stdin is a number and what
 * passes from now on; when it is so, `done` and the number is said.
 *
 *     open         everything
 *     stall        nothing; what was sent arrives late, when it is open again
 *     stall-up     only what Redis answers
 *     stall-down   only what the broker sends
 *     cut          nothing, connections are reset, and new ones too
 */
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const redisHost = '127.0.0.1';

interface Path {
  readonly broker: Socket;
  readonly port: number;
  /** Null: not tried yet. */
  redis: Socket | null;
}

const [host = '', ports = ''] = process.argv.slice(2);
const paths = new Set<Path>();
let state = 'open';

await Promise.all(ports.split(',').map((port) => listen(Number(port))));
createInterface({ input: process.stdin })
  .on('line', change)
  // Whoever started it is gone.
  .on('close', () => process.exit());
process.stdout.write('listening\n');

function listen(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (broker) => {
      onConnection(broker, port);
    });
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}

function onConnection(broker: Socket, port: number): void {
  broker.on('error', () => undefined);
  if (state === 'cut') {
    broker.resetAndDestroy();
    return;
  }
  const path: Path = { broker, port, redis: null };
  paths.add(path);
  broker.pause();
  broker.on('close', () => {
    paths.delete(path);
    path.redis?.destroy();
  });
  update(path);
}

function change(line: string): void {
  const [number = '', passes = ''] = line.split(' ');
  state = passes;
  for (const path of [...paths]) update(path);
  process.stdout.write(`done ${number}\n`);
}

function update(path: Path): void {
  const { broker } = path;
  if (state === 'cut') {
    broker.resetAndDestroy();
    path.redis?.resetAndDestroy();
    return;
  }
  if (isHeldUp()) broker.pause();
  else if (path.redis === null) open(path);
  else broker.resume();
  if (isHeldDown()) path.redis?.pause();
  else path.redis?.resume();
}

function open(path: Path): void {
  const { broker, port } = path;
  const redis = connect({ host: redisHost, port, allowHalfOpen: true, noDelay: true });
  path.redis = redis;
  redis.on('error', () => undefined);
  redis.on('close', () => broker.destroy());
  relay(broker, redis, isHeldUp);
  relay(redis, broker, isHeldDown);
}

function relay(from: Socket, to: Socket, isHeld: () => boolean): void {
  from.on('data', (bytes) => {
    if (!to.write(bytes)) from.pause();
  });
  to.on('drain', () => {
    if (!isHeld()) from.resume();
  });
  from.on('end', () => to.end());
  if (isHeld()) from.pause();
  else from.resume();
}

function isHeldUp(): boolean {
  return state === 'stall' || state === 'stall-up';
}

function isHeldDown(): boolean {
  return state === 'stall' || state === 'stall-down';
}
