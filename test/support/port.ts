/**
 * Port numbers for programs that cannot be asked to take any free one (mosquitto, redis-server).
 * Our own servers listen on port 0 and say which port they got.
 */
import { type AddressInfo, createServer } from 'node:net';

/** A TCP port of 127.0.0.1 that nobody listened on a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close((error) => (error ? reject(error) : resolve(port)));
    });
  });
}
