/**
 * The one place where connections end: what the client is told, what becomes of its session and
 * its will.
 */
import { encodeConnack, encodeConnackV3, encodeDisconnect } from '../protocol/control-encoder.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import type { Connection } from './connection.js';
import { ConnectionState } from './connection-state.js';

/** Milliseconds that a client has to take the last packets before its socket is closed anyway. */
const LINGER_MS = 1_000;

export interface CloseOptions {
  /** Say nothing: the client is gone, or said DISCONNECT itself. */
  readonly isSilent?: boolean;
  /** The client took its will back: DISCONNECT 0x00 [MQTT-3.14.4-3]. */
  readonly isNormal?: boolean;
  /** Where the client may go instead: MQTT 5.0 Server Reference. */
  readonly serverReference?: string | null;
}

/**
 * Ends a connection in any state.
 *
 * @param reasonCode what went wrong; sent as DISCONNECT or CONNACK where the version has it
 * @param detail the same for people: Reason String and log
 */
export function closeConnection(
  connection: Connection,
  reasonCode: number,
  detail: string,
  options: CloseOptions,
): void {
  if (connection.isClosed) return;
  const { state, core, session, will } = connection;
  const farewell = options.isSilent ? null : lastPacket(connection, reasonCode, detail, options);
  connection.state = ConnectionState.Closed;
  if (reasonCode === ReasonCode.ServerBusy) core.metrics.publishersRefused++;
  if (farewell !== null) {
    core.metrics.packetsSent++;
    connection.output.append(farewell);
  }
  connection.output.flush();
  if (options.isSilent && !options.isNormal) connection.transport.destroy();
  else connection.transport.end(LINGER_MS);
  connection.forget();
  if (connection.handshake !== null) core.deadlines.cancel(connection.handshake);
  connection.handshake = null;
  core.connections.delete(connection);
  core.metrics.connectionsOpen = core.connections.size;
  if (state !== ConnectionState.Connected) {
    core.metrics.connectionsRefused++;
    logRefusal(connection, reasonCode, detail);
    return;
  }
  core.metrics.clientsConnected--;
  connection.session = null;
  connection.will = null;
  logClose(connection, reasonCode, detail, options);
  if (session?.connection === connection) {
    core.sessions.onConnectionClosed(session, options.isNormal ? null : will);
  }
  core.observer.clientDisconnected(connection.identity!, reasonCode, detail);
}

/** DISCONNECT, or CONNACK while there was none; null where the version has no word for it. */
function lastPacket(
  connection: Connection,
  reasonCode: number,
  detail: string,
  { serverReference = null }: CloseOptions,
): Buffer | null {
  const { state, maximumPacketSize } = connection;
  if (state === ConnectionState.Connected) {
    if (!connection.isV5) return null;
    return encodeDisconnect(reasonCode, detail, maximumPacketSize, serverReference);
  }
  if (connection.protocolVersion === 0) return null;
  if (connection.isV5) {
    return encodeConnack(reasonCode, false, { reasonString: detail }, maximumPacketSize);
  }
  return encodeConnackV3(reasonCode, false);
}

function logRefusal(connection: Connection, reasonCode: number, detail: string): void {
  const { log } = connection.core;
  if (!log.enabled('notice')) return;
  const { peer } = connection.transport;
  log.write('notice', 'connection refused', {
    clientId: connection.identity?.clientId,
    remoteAddress: peer.remoteAddress,
    remotePort: peer.remotePort,
    reasonCode,
    reason: detail,
  });
}

function logClose(
  connection: Connection,
  reasonCode: number,
  detail: string,
  options: CloseOptions,
): void {
  const { core, identity } = connection;
  if (!core.logsConnections) return;
  core.log.write('notice', 'client disconnected', {
    clientId: identity!.clientId,
    reasonCode: options.isNormal ? ReasonCode.Success : reasonCode,
    reason: detail,
  });
}
