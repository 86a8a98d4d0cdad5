/**
 * CONNECT, AUTH and DISCONNECT: how a connection comes by its session and leaves it.
 *
 *     CONNECT ─▶ version ─▶ decode ─▶ client id, will, limits ─▶ authentication ─▶ admit
 *                                                                └─AUTH ◀─▶ AUTH─┘
 */
import { randomUUID } from 'node:crypto';
import type { Deadline } from '../base/deadline-heap.js';
import {
  decodeConnect,
  readConnectVersion,
  UnsupportedVersion,
} from '../protocol/connect-decoder.js';
import { decodeAuth, decodeDisconnect } from '../protocol/control-decoder.js';
import { encodeAuth, encodeConnack, encodeConnackV3 } from '../protocol/control-encoder.js';
import type { ConnectPacket } from '../protocol/control-packets.js';
import { MqttError } from '../protocol/mqtt-error.js';
import { AUTH, CONNECT, DISCONNECT } from '../protocol/packet-types.js';
import { malformed, protocolError } from '../protocol/properties.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import {
  type AuthenticationExchange,
  type AuthenticationResult,
  type AuthenticationStep,
  type ClientIdentity,
  isNamedByPeer,
} from './access.js';
import { admit } from './admit.js';
import { closeConnection } from './closing.js';
import type { Connection } from './connection.js';
import { ConnectionState } from './connection-state.js';
import type { BrokerCore } from './core.js';
import { EXPIRY_NEVER } from './session.js';

const LEVEL_V5 = 5;

/** A CONNECT on its way, or a re-authentication. */
export class Handshake implements Deadline {
  /** Null while re-authenticating. */
  readonly packet: ConnectPacket | null;
  readonly identity: ClientIdentity;
  readonly isIdAssigned: boolean;
  method: string | null = null;
  exchange: AuthenticationExchange | null = null;
  deadlineMs = 0;
  heapIndex = -1;
  private readonly connection: Connection;

  constructor(
    connection: Connection,
    packet: ConnectPacket | null,
    identity: ClientIdentity,
    isIdAssigned: boolean,
  ) {
    this.connection = connection;
    this.packet = packet;
    this.identity = identity;
    this.isIdAssigned = isIdAssigned;
    const { core } = connection;
    core.deadlines.schedule(this, core.turn.nowMs + core.limits.authenticationTimeoutMs);
  }

  onDeadline(): void {
    this.connection.core.metrics.connectTimeouts++;
    closeConnection(this.connection, ReasonCode.NotAuthorized, 'authentication timeout', {});
  }
}

export class Handshakes {
  private readonly core: BrokerCore;

  constructor(core: BrokerCore) {
    this.core = core;
  }

  /** A packet before the connection is connected. @throws MqttError */
  onPacket(
    connection: Connection,
    type: number,
    bytes: Buffer,
    at: number,
    start: number,
    end: number,
  ): void {
    const flags = bytes[at]! & 15;
    if (connection.state === ConnectionState.Opening) {
      if (type !== CONNECT) throw protocolError('first packet is not CONNECT [MQTT-3.1.0-1]');
      if (flags !== 0) throw malformed('reserved flags of CONNECT');
      this.onConnect(connection, bytes, at, start, end);
      return;
    }
    if (flags !== 0) throw malformed('reserved flags of the fixed header');
    if (type === DISCONNECT) {
      closeConnection(connection, ReasonCode.Success, 'client gave up', { isSilent: true });
      return;
    }
    if (type !== AUTH) throw protocolError('only AUTH before CONNACK [MQTT-3.1.2-30]');
    this.onAuth(connection, bytes, at, start, end);
  }

  /** @throws MqttError */
  onDisconnect(
    connection: Connection,
    bytes: Buffer,
    at: number,
    start: number,
    end: number,
  ): void {
    const packet = decodeDisconnect(bytes, at, start, end, connection.isV5);
    const session = connection.session!;
    if (packet.sessionExpiryInterval >= 0) {
      if (session.expiryInterval === 0 && packet.sessionExpiryInterval > 0) {
        throw protocolError('Session Expiry Interval was 0 in CONNECT [MQTT-3.14.2-2]');
      }
      session.expiryInterval = this.clampExpiry(packet.sessionExpiryInterval);
      session.isDurable = session.expiryInterval > 0;
    }
    const isNormal = packet.reasonCode === ReasonCode.Success;
    closeConnection(connection, packet.reasonCode, 'disconnected by the client', {
      isSilent: true,
      isNormal,
    });
  }

  /** @throws MqttError */
  onAuth(connection: Connection, bytes: Buffer, at: number, start: number, end: number): void {
    if (!connection.isV5) throw protocolError('AUTH exists in MQTT 5.0 only');
    const packet = decodeAuth(bytes, at, start, end);
    const method = connection.authenticationMethod;
    if (method === null || packet.authenticationMethod !== method) {
      throw protocolError('Authentication Method differs from that of CONNECT [MQTT-4.12.0-5]');
    }
    const isRestart = packet.reasonCode === ReasonCode.ReAuthenticate;
    if (isRestart) this.beginReAuthentication(connection, method);
    if (connection.isClosed) return;
    const { handshake } = connection;
    if (handshake?.exchange == null || packet.reasonCode === ReasonCode.Success) {
      throw protocolError('no authentication is going on');
    }
    this.step(connection, handshake, packet.authenticationData);
  }

  /** `persistent_client_expiration` bounds what clients ask for. Seconds. */
  clampExpiry(seconds: number): number {
    const max = this.core.delivery.persistentClientExpirationS;
    return Math.min(seconds, max === Number.POSITIVE_INFINITY ? EXPIRY_NEVER : max);
  }

  private onConnect(
    connection: Connection,
    bytes: Buffer,
    at: number,
    start: number,
    end: number,
  ): void {
    const packet = this.decode(connection, bytes, at, start, end);
    if (packet === null) return;
    connection.maximumPacketSize = packet.maximumPacketSize;
    connection.wantsReasons = packet.requestProblemInformation;
    connection.isBridge = packet.isBridge;
    const isIdAssigned = packet.clientId === '';
    const identity = this.identify(connection, packet);
    connection.identity = identity;
    this.checkWill(connection, packet);
    connection.state = ConnectionState.Authenticating;
    this.core.deadlines.cancel(connection);
    const handshake = new Handshake(connection, packet, identity, isIdAssigned);
    connection.handshake = handshake;
    if (packet.authenticationMethod === null) this.checkPassword(connection, handshake);
    else this.beginExchange(connection, handshake, packet.authenticationMethod);
  }

  /** The version of a CONNECT that is refused unread: the client is told where it knows CONNACK. */
  noteVersion(connection: Connection, bytes: Buffer, start: number, end: number): void {
    try {
      const { protocolVersion } = readConnectVersion(bytes, start, end);
      connection.protocolVersion = protocolVersion;
      connection.isV5 = protocolVersion === LEVEL_V5;
    } catch (error) {
      // Not all of it is there, or it is none of ours: the client is told nothing.
      if (!(error instanceof MqttError)) throw error;
    }
  }

  /** Null when the version is not ours and the connection was closed. */
  private decode(
    connection: Connection,
    bytes: Buffer,
    at: number,
    start: number,
    end: number,
  ): ConnectPacket | null {
    try {
      const version = readConnectVersion(bytes, start, end);
      const { protocolVersion } = version;
      connection.protocolVersion = protocolVersion;
      connection.isV5 = protocolVersion === LEVEL_V5;
      if (!connection.listener.acceptProtocolVersions.includes(protocolVersion as 3 | 4 | 5)) {
        throw new MqttError(
          ReasonCode.UnsupportedProtocolVersion,
          'the listener does not accept this protocol version',
        );
      }
      return decodeConnect(bytes, at, end, version);
    } catch (error) {
      if (error instanceof UnsupportedVersion) {
        refuseVersion(connection, error);
        return null;
      }
      const isMalformed =
        error instanceof MqttError && error.reasonCode !== ReasonCode.UnsupportedProtocolVersion;
      // MQTT 3.x: no CONNACK for what is malformed [MQTT-3.1.4-1].
      if (isMalformed && !connection.isV5) connection.protocolVersion = 0;
      throw error;
    }
  }

  private identify(connection: Connection, packet: ConnectPacket): ClientIdentity {
    const { listener, transport } = connection;
    let { clientId, username } = packet;
    if (clientId === '') {
      const isAllowed =
        listener.access.allowZeroLengthClientId &&
        packet.protocolVersion !== 3 &&
        (packet.protocolVersion === 5 || packet.cleanStart);
      if (!isAllowed) {
        throw new MqttError(ReasonCode.ClientIdentifierNotValid, 'client identifier is empty');
      }
      clientId = listener.access.autoIdPrefix + randomUUID();
    }
    const { peer } = transport;
    if (isNamedByPeer(listener)) {
      username = listener.useIdentityAsUsername ? peer.identity : peer.subject;
      if (username === null || username === '') {
        throw new MqttError(
          ReasonCode.BadUserNameOrPassword,
          'the client certificate names nobody',
        );
      }
    }
    if (listener.useUsernameAsClientId) {
      if (username === null || username === '') {
        throw new MqttError(ReasonCode.NotAuthorized, 'no user name to use as client identifier');
      }
      clientId = username;
    }
    const { protocolVersion } = packet;
    return { clientId, username, peer, listener, protocolVersion };
  }

  private checkWill(connection: Connection, packet: ConnectPacket): void {
    const { will } = packet;
    if (will === null) return;
    if (will.qos > connection.listener.maxQos) {
      throw new MqttError(ReasonCode.QosNotSupported, 'Will QoS above Maximum QoS');
    }
    if (will.retain && !this.core.delivery.retainAvailable) {
      throw new MqttError(ReasonCode.RetainNotSupported, 'retained messages are not available');
    }
    // Throws 0x90 for a name that could not be published to when the time comes.
    this.core.topics.check(will.topic);
    this.core.topics.fromName(connection.listener.mountPoint + will.topic);
    const { messageBytesMax } = this.core.limits;
    if (messageBytesMax > 0 && will.payload.length > messageBytesMax) {
      // As Mosquitto: version 3 has no word for it but "not authorized".
      const code = connection.isV5 ? ReasonCode.PacketTooLarge : ReasonCode.NotAuthorized;
      throw new MqttError(code, 'Will Payload above message_size_limit');
    }
    if (!will.isPayloadValid) {
      throw new MqttError(ReasonCode.PayloadFormatInvalid, 'Will Payload is not UTF-8');
    }
  }

  private checkPassword(connection: Connection, handshake: Handshake): void {
    const { identity, packet } = handshake;
    const result = connection.access.authenticate(identity, packet!.password);
    if (!(result instanceof Promise)) {
      this.onResult(connection, handshake, result);
      return;
    }
    this.later(connection, result, (settled) => this.onResult(connection, handshake, settled));
  }

  private onResult(
    connection: Connection,
    handshake: Handshake,
    result: AuthenticationResult,
  ): void {
    if (!result.ok) {
      closeConnection(connection, result.reasonCode, result.reasonString, {});
      return;
    }
    admit(connection, handshake, result.username, null);
  }

  private beginExchange(connection: Connection, handshake: Handshake, method: string): void {
    const exchange = connection.access.beginExchange(method, handshake.identity);
    if (exchange === null) {
      throw new MqttError(ReasonCode.BadAuthenticationMethod, 'unknown Authentication Method');
    }
    connection.authenticationMethod = method;
    handshake.method = method;
    handshake.exchange = exchange;
    this.step(connection, handshake, handshake.packet!.authenticationData);
  }

  private beginReAuthentication(connection: Connection, method: string): void {
    if (!connection.isConnected || connection.handshake !== null) {
      throw protocolError('Re-authenticate is not possible now');
    }
    const identity = connection.identity!;
    const handshake = new Handshake(connection, null, identity, false);
    handshake.method = method;
    // Before a hook is asked, which may disconnect the client: that ends the handshake as well.
    connection.handshake = handshake;
    handshake.exchange = connection.access.beginExchange(method, identity);
  }

  private step(connection: Connection, handshake: Handshake, data: Buffer | null): void {
    const step = handshake.exchange!.step(data);
    if (!(step instanceof Promise)) this.onStep(connection, handshake, step);
    else this.later(connection, step, (settled) => this.onStep(connection, handshake, settled));
  }

  private onStep(connection: Connection, handshake: Handshake, step: AuthenticationStep): void {
    // A hook may have disconnected the client that authenticates itself anew.
    if (connection.isClosed) return;
    if (step.kind === 'failure') {
      closeConnection(connection, step.reasonCode, step.reasonString, {});
      return;
    }
    if (step.kind === 'success' && handshake.packet !== null) {
      admit(connection, handshake, step.username, step.data);
      return;
    }
    const isOver = step.kind === 'success';
    const code = isOver ? ReasonCode.Success : ReasonCode.ContinueAuthentication;
    const { maximumPacketSize } = connection;
    connection.sendControl(encodeAuth(code, handshake.method!, step.data, maximumPacketSize));
    if (!isOver) return;
    connection.core.deadlines.cancel(handshake);
    connection.handshake = null;
  }

  /** Waits for an answer with the connection held; a failure of the checker refuses. */
  private later<Answer>(
    connection: Connection,
    promise: Promise<Answer>,
    proceed: (answer: Answer) => void,
  ): void {
    connection.awaitAnswer();
    const settle = (act: () => void): void => {
      this.core.turn.begin();
      if (connection.isClosed) return;
      act();
      connection.onAnswer();
    };
    promise.then(
      (answer) => settle(() => proceed(answer)),
      (error: unknown) =>
        settle(() => {
          this.core.log.write('error', 'authentication failed to answer', {
            clientId: connection.identity?.clientId,
            error: String(error),
          });
          closeConnection(connection, ReasonCode.UnspecifiedError, 'authentication failed', {});
        }),
    );
  }
}

/** The answer to a protocol version that we do not speak [MQTT-3.1.2-2]. */
function refuseVersion(connection: Connection, error: UnsupportedVersion): void {
  const { reasonCode, level } = error;
  if (level > LEVEL_V5 && level < 0x80) {
    connection.output.append(encodeConnack(reasonCode, false, {}, Number.POSITIVE_INFINITY)!);
  } else if (level >= 0) {
    connection.output.append(encodeConnackV3(reasonCode, false)!);
  }
  closeConnection(connection, reasonCode, error.message, {});
}
