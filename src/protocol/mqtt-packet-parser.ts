/** The one door to mqtt-packet's parser: one whole packet in, one packet object out. */
import * as mqttPacket from 'mqtt-packet';
import { malformed } from './properties.js';

const DUP = 0x08;

/**
 * Parses `bytes[start..end)`, one whole packet that was checked before.
 *
 * @throws MqttError 0x81 when mqtt-packet refuses it all the same
 */
export function parseWithMqttPacket(
  bytes: Buffer,
  start: number,
  end: number,
  protocolVersion: number,
): mqttPacket.Packet {
  const parser = mqttPacket.parser({ protocolVersion });
  let packet: mqttPacket.Packet | null = null;
  let failure: Error | null = null;
  parser.on('packet', (parsed: mqttPacket.Packet) => {
    packet ??= parsed;
  });
  parser.on('error', (error: Error) => {
    failure ??= error;
  });
  // mqtt-packet keeps slices of what it is given, and the read buffer is reused: so a copy.
  const copy = Buffer.from(bytes.subarray(start, end));
  // The caller has checked the flags; MQTT 3.1 has a DUP there that mqtt-packet would refuse.
  copy[0] = copy[0]! & ~DUP;
  parser.parse(copy);
  if (failure !== null) throw malformed((failure as Error).message);
  if (packet === null) throw malformed('packet cut short');
  return packet;
}
