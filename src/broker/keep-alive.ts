/**
 * What the clock does to a connection: connect timeout, keep-alive, and the end of listening to
 * a client that is gone. A connection has one deadline, for whichever of them comes next.
 */
import { ReasonCode } from '../protocol/reason-codes.js';
import { closeConnection } from './closing.js';
import type { Connection } from './connection.js';

/** The client has one and a half times its keep-alive [MQTT-3.1.2-22]. */
const KEEP_ALIVE_FACTOR = 1.5;

/**
 * Milliseconds that what a client sent before it left may wait to be heard: an authorizer that
 * never answers would keep it for one time-out after the other.
 */
export const GONE_MS = 60_000;

/** Starts, or restarts with another interval, the watch over the keep-alive. 0: off. */
export function watchKeepAlive(connection: Connection, seconds: number): void {
  const { deadlines, turn } = connection.core;
  connection.keepAliveMs = seconds * 1000;
  // Let in after it left: its deadline is the end of `GONE_MS`.
  if (connection.isGone) return;
  if (seconds === 0) deadlines.cancel(connection);
  else deadlines.schedule(connection, turn.nowMs + connection.keepAliveMs * KEEP_ALIVE_FACTOR);
}

/** The deadline of an open connection has come. */
export function onConnectionDeadline(connection: Connection, nowMs: number): void {
  const { core, keepAliveMs } = connection;
  if (connection.isGone) {
    connection.onGone();
    return;
  }
  if (!connection.isConnected) {
    core.metrics.connectTimeouts++;
    const detail = 'no CONNECT in time';
    closeConnection(connection, ReasonCode.KeepAliveTimeout, detail, { isSilent: true });
    return;
  }
  // While it is we who do not read, silence is ours; it counts anew when the hold ends. A client
  // that does not read its answers is silent of its own accord.
  const dueMs = connection.lastInMs + keepAliveMs * KEEP_ALIVE_FACTOR;
  if (connection.isHeldByBroker) {
    core.deadlines.schedule(connection, nowMs + keepAliveMs / 2);
  } else if (dueMs > nowMs) {
    core.deadlines.schedule(connection, dueMs);
  } else {
    core.metrics.keepAliveTimeouts++;
    closeConnection(connection, ReasonCode.KeepAliveTimeout, 'keep-alive timeout', {});
  }
}
