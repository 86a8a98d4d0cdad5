/**
 * Port numbers for programs that cannot be asked to take any free one (mosquitto, redis-server), or
 * whose configuration names them. Our own servers listen on port 0 where they can.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below the ports that connections are given: one of those would be taken by somebody's connection
// before the server has started.
const portMin = 10_000;
const portMax = 32_000;

const given = new Set<number>();

/** A port of 127.0.0.1 that nobody listens on, and that no connection is given. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(portMin, portMax);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
