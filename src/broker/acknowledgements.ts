/**
 * PUBACK, PUBREC, PUBREL and PUBCOMP from a client: the four steps of QoS 1 and 2. Hot path.
 */

import { encodeAcknowledgement } from '../protocol/control-encoder.js';
import { PUBACK, PUBCOMP, PUBREC, PUBREL } from '../protocol/packet-types.js';
import { AcknowledgementReader } from '../protocol/publish-reader.js';
import { PUBACK_BYTE, PUBCOMP_BYTE, PUBREC_BYTE, PUBREL_BYTE } from '../protocol/publish-writer.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import type { Connection } from './connection.js';

const reader = new AcknowledgementReader();
const FAILED = 0x80;

/** @throws MqttError for a malformed packet */
export function handleAcknowledgement(
  connection: Connection,
  type: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  reader.read(bytes, start, end, connection.isV5, type === PUBREL || type === PUBCOMP);
  const { packetId, reasonCode } = reader;
  const session = connection.session!;
  switch (type) {
    case PUBACK:
      session.onPuback(packetId);
      break;
    case PUBREC:
      onPubrec(connection, packetId, reasonCode);
      break;
    case PUBREL:
      onPubrel(connection, packetId);
      break;
    default:
      session.onPubcomp(packetId);
  }
}

/** The identifier is forgotten before the client hears that it is [MQTT-4.3.3-11]. */
function onPubrel(connection: Connection, packetId: number): void {
  const { receiver, stored } = connection.session!;
  const isKnown = receiver?.onPubrel(packetId) ?? false;
  const code = isKnown ? ReasonCode.Success : ReasonCode.PacketIdentifierNotFound;
  if (!isKnown || stored === null) {
    acknowledge(connection, PUBCOMP_BYTE, packetId, code, null);
    return;
  }
  stored.forget(packetId, () => {
    if (connection.isClosed) return;
    acknowledge(connection, PUBCOMP_BYTE, packetId, code, null);
  });
  stored.press(connection);
}

/** That PUBREC came is safe before PUBREL goes out [MQTT-4.3.3-8]. */
function onPubrec(connection: Connection, packetId: number, reasonCode: number): void {
  const session = connection.session!;
  if (reasonCode >= FAILED) {
    session.onPubrec(packetId, true);
    return;
  }
  const isKnown = session.onPubrec(packetId, false);
  const code = isKnown ? ReasonCode.Success : ReasonCode.PacketIdentifierNotFound;
  const { stored } = session;
  if (!isKnown || stored === null) {
    acknowledge(connection, PUBREL_BYTE, packetId, code, null);
    return;
  }
  stored.release(packetId, () => {
    if (!connection.isClosed) acknowledge(connection, PUBREL_BYTE, packetId, code, null);
  });
  stored.press(connection);
}

const names = {
  [PUBACK_BYTE]: 'puback',
  [PUBREC_BYTE]: 'pubrec',
  [PUBREL_BYTE]: 'pubrel',
  [PUBCOMP_BYTE]: 'pubcomp',
} as const;

/**
 * Sends an acknowledgement. Reason codes exist in MQTT 5.0 only: before, a refused message is
 * acknowledged like any other [MQTT-3.3.5-2].
 */
export function acknowledge(
  connection: Connection,
  firstByte: keyof typeof names,
  packetId: number,
  reasonCode: number,
  reason: string | null,
): void {
  const sender = connection.sender!;
  if (reasonCode === ReasonCode.Success || !connection.isV5) {
    sender.acknowledge(firstByte, packetId);
    return;
  }
  const detail = connection.wantsReasons ? reason : null;
  if (detail === null) {
    // It fits: no smaller Maximum Packet Size would have let CONNACK pass.
    sender.acknowledgeWithReason(firstByte, packetId, reasonCode);
    return;
  }
  const { maximumPacketSize } = connection;
  const packet = encodeAcknowledgement(
    names[firstByte],
    packetId,
    reasonCode,
    detail,
    maximumPacketSize,
  );
  connection.sendControl(packet);
}
