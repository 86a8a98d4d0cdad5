/** Writes the PUBLISH and the acknowledgements that a bridge sends, each as a packet of its own. */
import {
  ACKNOWLEDGEMENT_BYTES,
  publishByte,
  REASONED_ACKNOWLEDGEMENT_BYTES,
  writeAcknowledgement,
  writeReasonedAcknowledgement,
} from '../protocol/publish-writer.js';
import {
  variableByteIntegerSize,
  writeVariableByteInteger,
} from '../protocol/variable-byte-integer.js';

export interface OutgoingPublish {
  readonly topic: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
  /** Not at QoS 0. */
  readonly packetId: number;
  /** MQTT 5.0 properties without their length; null: an older version. */
  readonly properties: Uint8Array | null;
  readonly payload: Uint8Array;
}

export function encodePublish(publish: OutgoingPublish): Buffer {
  const { topic, qos, retain, dup, packetId, properties, payload } = publish;
  const topicBytes = Buffer.byteLength(topic);
  const propertiesBytes =
    properties === null ? 0 : variableByteIntegerSize(properties.length) + properties.length;
  const length = 2 + topicBytes + (qos > 0 ? 2 : 0) + propertiesBytes + payload.length;
  const packet = Buffer.allocUnsafe(1 + variableByteIntegerSize(length) + length);
  packet[0] = publishByte(qos, retain, dup && qos > 0);
  let at = writeVariableByteInteger(packet, 1, length);
  at = packet.writeUInt16BE(topicBytes, at);
  at += packet.write(topic, at);
  if (qos > 0) at = packet.writeUInt16BE(packetId, at);
  if (properties !== null) {
    at = writeVariableByteInteger(packet, at, properties.length);
    packet.set(properties, at);
    at += properties.length;
  }
  packet.set(payload, at);
  return packet;
}

/** @param reasonCode left out where it is 0, as it must be for MQTT 3.x */
export function encodeAcknowledgement(firstByte: number, packetId: number, reasonCode = 0): Buffer {
  if (reasonCode === 0) {
    const packet = Buffer.allocUnsafe(ACKNOWLEDGEMENT_BYTES);
    writeAcknowledgement(packet, 0, firstByte, packetId);
    return packet;
  }
  const packet = Buffer.allocUnsafe(REASONED_ACKNOWLEDGEMENT_BYTES);
  writeReasonedAcknowledgement(packet, 0, firstByte, packetId, reasonCode);
  return packet;
}
