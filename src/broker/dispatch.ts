/** Which packet goes to whom, and whether it may come at all. Hot path. */
import type { Block } from '../base/block.js';
import { MqttError } from '../protocol/mqtt-error.js';
import * as types from '../protocol/packet-types.js';
import { malformed, protocolError } from '../protocol/properties.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { handleAcknowledgement } from './acknowledgements.js';
import type { Connection } from './connection.js';
import { ConnectionState } from './connection-state.js';
import { handlePublish } from './inbound-publish.js';
import { handleSubscribe, handleUnsubscribe } from './subscribe.js';

/**
 * Handles the packet in `block.bytes[at..end)`, whose fixed header is over at `start`.
 *
 * @throws MqttError for what closes the connection
 */
export function dispatch(
  connection: Connection,
  block: Block,
  at: number,
  start: number,
  end: number,
): void {
  const firstByte = block.bytes[at]!;
  const type = firstByte >>> 4;
  if (connection.state !== ConnectionState.Connected) {
    connection.core.handshakes.onPacket(connection, type, block.bytes, at, start, end);
    return;
  }
  if (type === types.PUBLISH) {
    handlePublish(connection, firstByte & 15, block, at, start, end);
    return;
  }
  if (!hasValidFlags(connection, type, firstByte & 15)) {
    throw malformed('reserved flags of the fixed header [MQTT-2.1.3-1]');
  }
  const { bytes } = block;
  switch (type) {
    case types.PUBACK:
    case types.PUBREC:
    case types.PUBREL:
    case types.PUBCOMP:
      handleAcknowledgement(connection, type, bytes, start, end);
      break;
    case types.SUBSCRIBE:
      handleSubscribe(connection, bytes, at, start, end);
      break;
    case types.UNSUBSCRIBE:
      handleUnsubscribe(connection, bytes, at, start, end);
      break;
    case types.PINGREQ:
      if (start !== end) throw malformed('PINGREQ with a body');
      connection.core.pong(connection);
      break;
    case types.DISCONNECT:
      connection.core.handshakes.onDisconnect(connection, bytes, at, start, end);
      break;
    case types.AUTH:
      connection.core.handshakes.onAuth(connection, bytes, at, start, end);
      break;
    default:
      throw protocolError(`unexpected ${types.packetTypeNames[type]}`);
  }
}

/**
 * Why the packet at `at` is not even waited for: its Remaining Length is malformed, or too large.
 *
 * @param start of its body, of which `end` may leave a part only
 * @param length Remaining Length; below 0: malformed
 */
export function lengthError(
  connection: Connection,
  bytes: Buffer,
  at: number,
  start: number,
  end: number,
  length: number,
): MqttError {
  const isOpening = connection.state === ConnectionState.Opening;
  if (isOpening && bytes[at]! >>> 4 !== types.CONNECT) {
    return protocolError('first packet is not CONNECT [MQTT-3.1.0-1]');
  }
  if (length < 0) return malformed('bad Remaining Length');
  connection.core.metrics.packetsTooLarge++;
  if (isOpening) connection.core.handshakes.noteVersion(connection, bytes, start, end);
  return new MqttError(ReasonCode.PacketTooLarge, 'packet too large');
}

/** MQTT 3.1 sends DUP with what it repeats, and QoS 1 where 3.1.1 has reserved bits. */
function hasValidFlags(connection: Connection, type: number, flags: number): boolean {
  const isQos1 = type === types.PUBREL || type === types.SUBSCRIBE || type === types.UNSUBSCRIBE;
  if (!isQos1) return flags === 0;
  return flags === 2 || (connection.protocolVersion === 3 && flags === 10);
}
