/** A connection for a few questions, that no link looks after. */
import type { Clock } from '../../base/clock.js';
import { type Address, Connection, type Login } from './connection.js';

const LOOK_MS = 100;

/**
 * Opens a connection, and closes it after `body`, whose commands are rejected when the server is
 * silent for too long.
 */
export async function withConnection<T>(
  address: Address,
  login: Login,
  clock: Clock,
  body: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = new Connection(address, login, clock);
  const timer = setInterval(() => connection.checkSilence(), LOOK_MS);
  try {
    await connection.open();
    return await body(connection);
  } finally {
    clearInterval(timer);
    connection.close();
  }
}
