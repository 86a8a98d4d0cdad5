/** What carries bytes to the broker: a TCP socket, or WebSocket frames on one (websocket.ts). */
import { connect as connectSocket } from 'node:net';

export interface Wire {
  write(bytes: Buffer): void;
  /** Closes the sending side in order. */
  end(): void;
  /** Cuts at once. */
  destroy(): void;
  onData(listener: (bytes: Buffer) => void): void;
  onClose(listener: () => void): void;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Longest wait for anything that should come at once. */
export const DEADLINE_MS = 6000;

export function openTcp(endpoint: Endpoint): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket(endpoint);
    const deadline = setTimeout(() => {
      socket.destroy(new Error(`no connection to ${endpoint.host}:${endpoint.port} in time`));
    }, DEADLINE_MS);
    socket.setNoDelay(true);
    socket.once('error', reject);
    socket.once('close', () => clearTimeout(deadline));
    socket.once('connect', () => {
      clearTimeout(deadline);
      // A reset is a close like any other; 'close' follows 'error'.
      socket.on('error', () => undefined);
      resolve({
        write: (bytes) => {
          if (socket.writable) socket.write(bytes);
        },
        end: () => socket.end(),
        destroy: () => socket.destroy(),
        onData: (listener) => socket.on('data', listener),
        onClose: (listener) => socket.on('close', listener),
      });
    });
  });
}
