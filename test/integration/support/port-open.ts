/** Waiting for programs whose ports are the only sign that they are ready. */
import { type AddressInfo, connect as connectSocket } from 'node:net';
import type { Child } from '../../support/process.js';
import { until } from '../../support/until.js';

/** Resolves when `child` listens on the port; rejects when it has ended. */
export async function untilOpen(child: Child, port: number): Promise<void> {
  await until(`port ${port} to open`, async () => {
    if (!child.isRunning) throw new Error(`the broker has ended:\n${child.output}`);
    return isOpen(port);
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connectSocket({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      const { port: own } = socket.address() as AddressInfo;
      socket.destroy();
      // A free port may be connected to itself.
      done(own !== port);
    });
    socket.once('error', () => done(false));
  });
}
