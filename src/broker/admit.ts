/** The end of a successful handshake: session, CONNACK, and what waits for the client. */
import { messageOf } from '../base/errors.js';
import { encodeConnack, encodeConnackV3 } from '../protocol/control-encoder.js';
import type { ConnackProperties, ConnectPacket } from '../protocol/control-packets.js';
import { MqttError } from '../protocol/mqtt-error.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import type { Claim, ClaimRequest } from '../store/store.js';
import type { ClientIdentity } from './access.js';
import { closeConnection } from './closing.js';
import type { Connection } from './connection.js';
import { ConnectionState } from './connection-state.js';
import type { Handshake } from './handshake.js';
import { holdForAnswer } from './held-for-answer.js';
import { InboundAliases } from './inbound-aliases.js';
import { watchKeepAlive } from './keep-alive.js';
import { LateClaim } from './late-claim.js';
import { Sender } from './sender.js';
import { encodeInfo, encodeWill } from './stored-client.js';
import { PendingWill } from './will.js';

const PACKET_BYTES_MAX = 268_435_460;
const RECEIVE_MAXIMUM_DEFAULT = 65_535;
const KEEP_ALIVE_MAX = 65_535;

/**
 * Lets an authenticated client in.
 *
 * @param username as the authentication found it
 * @param authenticationData what the exchange says to the client at its end
 */
export function admit(
  connection: Connection,
  handshake: Handshake,
  username: string | null,
  authenticationData: Buffer | null,
): void {
  const packet = handshake.packet!;
  const identity: ClientIdentity = { ...handshake.identity, username };
  const refusal = reasonToRefuse(connection, packet, identity);
  if (refusal !== null) {
    closeConnection(connection, refusal.reasonCode, refusal.message, {});
    return;
  }
  const { core } = connection;
  core.deadlines.cancel(handshake);
  connection.handshake = null;
  connection.identity = identity;
  const expiry = core.handshakes.clampExpiry(packet.sessionExpiryInterval);
  const keepAlive = keepAliveOf(connection, packet);
  const properties = connackProperties(connection, handshake, keepAlive, expiry);
  const full = authenticationData === null ? properties : { ...properties, authenticationData };
  if (encodeSuccess(connection, false, full) === null) {
    const detail = 'CONNACK is larger than Maximum Packet Size';
    closeConnection(connection, ReasonCode.PacketTooLarge, detail, { isSilent: true });
    return;
  }
  const willStamp = packet.will === null ? 0 : (core.journal?.nextStamp() ?? 0);
  const entering = { connection, packet, identity, keepAlive, expiry, properties: full, willStamp };
  hearFirst(connection);
  if (core.journal === null) enter(entering, null);
  else claimFirst(entering);
}

/** Its own messages from other brokers may still be on their way to subscribers here. */
function hearFirst(connection: Connection): void {
  connection.unheard = connection.core.peers?.hear() ?? null;
  void connection.unheard?.then(() => {
    connection.unheard = null;
  });
}

/** Asks the store for the session; the client waits for CONNACK until then. */
function claimFirst(entering: Entering): void {
  const { connection, packet, identity, expiry, willStamp } = entering;
  const { sessions, log } = connection.core;
  const { clientId } = identity;
  const isTransient = packet.cleanStart && expiry === 0;
  const request: ClaimRequest = {
    clientId,
    connects: true,
    cleanStart: packet.cleanStart,
    // Without Clean Start a session that is there is resumed, and ends with this connection.
    isDurable: !isTransient,
    expiryInterval: expiry,
    info: encodeInfo(identity),
    will: packet.will === null ? null : encodeWill(packet.will, willStamp),
    willDelay: packet.will?.willDelayInterval ?? 0,
  };
  const answer = sessions.claims!.claim(request, {
    isWaiting: () => !connection.isClosed,
    prepare: () => sessions.prepareClaim(request),
  });
  const late = isTransient ? new LateClaim(connection, request) : null;
  answer.catch((error: unknown) => {
    log.write('warning', 'the store does not answer', { clientId, error: messageOf(error) });
    late?.onFailed(error);
  });
  const arrivals = sessions.get(clientId) === null ? 1 : 0;
  sessions.arriving += arrivals;
  holdForAnswer(connection, answer, (claim) => {
    sessions.arriving -= arrivals;
    if (claim === null && !isTransient) {
      closeConnection(connection, ReasonCode.ServerUnavailable, 'the store does not answer', {});
    } else {
      enter(entering, claim);
      if (connection.will !== null && late?.isUnderway) connection.will.isUnknown = false;
    }
  });
}

/** All that was found out about a client that may come in. */
interface Entering {
  readonly connection: Connection;
  readonly packet: ConnectPacket;
  readonly identity: ClientIdentity;
  /** Seconds. */
  readonly keepAlive: number;
  readonly expiry: number;
  readonly properties: ConnackProperties;
  /** `PendingWill.stamp` */
  readonly willStamp: number;
}

/** The client gets its session. @param claim null: there is no store, or nothing is stored */
function enter(entering: Entering, claim: Claim | null): void {
  const { connection, packet, identity, expiry, properties } = entering;
  const { core } = connection;
  const { cleanStart } = packet;
  if (connection.isClosed && claim === null) return;
  const opened = core.sessions.open(identity, connection.access, cleanStart, expiry, claim);
  // A program's hook, asked about the will of the session before, may have stopped the broker.
  if (connection.isClosed) {
    core.sessions.onConnectionClosed(opened.session, null);
    return;
  }
  become(entering);
  connection.claimEpoch = claim?.epoch ?? 0;
  if (connection.will !== null) {
    connection.will.isUnknown = claim === null;
    connection.will.claimEpoch = connection.claimEpoch;
  }
  connection.session = opened.session;
  connection.sendControl(encodeSuccess(connection, opened.isPresent, properties));
  connection.sender = senderFor(connection, packet);
  core.observer.clientConnected(identity, opened.isPresent);
  logConnect(connection, packet, opened.isPresent);
  // Last, as a hook that is asked about what waits may disconnect the client. One that is gone by
  // now gets nothing; only what it sent is still heard.
  opened.session.attach(connection.isGone ? null : connection.sender, connection);
}

/** CONNACK 0x00; null when the client takes no packet as large. */
function encodeSuccess(
  connection: Connection,
  isPresent: boolean,
  properties: ConnackProperties,
): Buffer | null {
  const { isV5, protocolVersion, maximumPacketSize } = connection;
  if (isV5) return encodeConnack(ReasonCode.Success, isPresent, properties, maximumPacketSize);
  return encodeConnackV3(ReasonCode.Success, isPresent && protocolVersion !== 3);
}

function reasonToRefuse(
  connection: Connection,
  packet: ConnectPacket,
  identity: ClientIdentity,
): MqttError | null {
  const { core } = connection;
  const { clientsMax } = core.limits;
  if (core.isShuttingDown) {
    return new MqttError(ReasonCode.ServerShuttingDown, 'the broker is shutting down');
  }
  const known = core.sessions.get(identity.clientId);
  const isNew = known === null || known.isElsewhere;
  if (core.isMemoryTight && isNew) {
    return new MqttError(ReasonCode.QuotaExceeded, 'memory_limit reached');
  }
  if (clientsMax >= 0 && isNew && core.sessions.ownSize + core.sessions.arriving >= clientsMax) {
    return new MqttError(ReasonCode.QuotaExceeded, 'global_max_clients reached');
  }
  if (!connection.isV5 && isKeepAliveTooLong(connection, packet)) {
    return new MqttError(ReasonCode.ClientIdentifierNotValid, 'keep-alive above max_keepalive');
  }
  return null;
}

/** `max_keepalive` below its default bounds the keep-alive, and then 0 (never) is above it. */
function isKeepAliveTooLong(connection: Connection, { keepAlive }: ConnectPacket): boolean {
  const { maxKeepAlive } = connection.core.delivery;
  if (maxKeepAlive === 0 || maxKeepAlive >= KEEP_ALIVE_MAX) return false;
  return keepAlive === 0 || keepAlive > maxKeepAlive;
}

/** Seconds. Differs from the client's wish only in MQTT 5.0, by Server Keep Alive. */
function keepAliveOf(connection: Connection, packet: ConnectPacket): number {
  return isKeepAliveTooLong(connection, packet)
    ? connection.core.delivery.maxKeepAlive
    : packet.keepAlive;
}

function become({ connection, packet, identity, keepAlive, willStamp }: Entering): void {
  const { core, listener, access } = connection;
  const { metrics, sessions } = core;
  connection.state = ConnectionState.Connected;
  connection.packetBytesMax = core.limits.packetBytesMax || PACKET_BYTES_MAX;
  connection.receiveMaximum = connection.isV5
    ? core.limits.receiveMaximum
    : RECEIVE_MAXIMUM_DEFAULT;
  if (connection.isV5) connection.inboundAliases = new InboundAliases(listener.maxTopicAlias);
  watchKeepAlive(connection, keepAlive);
  if (packet.will !== null) {
    const onDue = (due: PendingWill): void => sessions.onWillDue(due);
    connection.will = new PendingWill(packet.will, identity, access, onDue, willStamp);
  }
  metrics.clientsAccepted++;
  metrics.clientsConnected++;
  metrics.clientsConnectedMax = Math.max(metrics.clientsConnectedMax, metrics.clientsConnected);
}

function senderFor(connection: Connection, packet: ConnectPacket): Sender {
  const { core, listener, output, isV5, maximumPacketSize } = connection;
  return new Sender(output, core, {
    isV5,
    maximumPacketSize,
    receiveMaximum: packet.receiveMaximum,
    topicAliasMaximum: Math.min(packet.topicAliasMaximum, listener.maxTopicAliasBroker),
    mountPoint: listener.mountPoint,
  });
}

function connackProperties(
  connection: Connection,
  handshake: Handshake,
  keepAlive: number,
  expiry: number,
): ConnackProperties {
  const { core, listener } = connection;
  const { limits, delivery } = core;
  const packet = handshake.packet!;
  return {
    ...(expiry === packet.sessionExpiryInterval ? {} : { sessionExpiryInterval: expiry }),
    ...(limits.receiveMaximum === RECEIVE_MAXIMUM_DEFAULT
      ? {}
      : { receiveMaximum: limits.receiveMaximum }),
    ...(listener.maxQos === 2 ? {} : { maximumQos: listener.maxQos }),
    ...(delivery.retainAvailable ? {} : { retainAvailable: false }),
    ...(limits.packetBytesMax === 0 ? {} : { maximumPacketSize: limits.packetBytesMax }),
    ...(listener.maxTopicAlias === 0 ? {} : { topicAliasMaximum: listener.maxTopicAlias }),
    ...(keepAlive === packet.keepAlive ? {} : { serverKeepAlive: keepAlive }),
    ...(handshake.isIdAssigned || listener.useUsernameAsClientId
      ? { assignedClientIdentifier: handshake.identity.clientId }
      : {}),
    ...(handshake.method === null ? {} : { authenticationMethod: handshake.method }),
  };
}

function logConnect(connection: Connection, packet: ConnectPacket, isPresent: boolean): void {
  const { core, identity, transport } = connection;
  if (!core.logsConnections) return;
  core.log.write('notice', 'client connected', {
    clientId: identity!.clientId,
    username: identity!.username,
    remoteAddress: transport.peer.remoteAddress,
    remotePort: transport.peer.remotePort,
    protocolVersion: packet.protocolVersion,
    cleanStart: packet.cleanStart,
    keepAlive: packet.keepAlive,
    sessionPresent: isPresent,
  });
}
