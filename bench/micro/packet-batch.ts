/**
 * Packets in a row, as a busy socket delivers them, and what reads them the general way:
 * mqtt-packet, the yardstick of the codec benchmarks and of the guard.
 */
import * as mqttPacket from 'mqtt-packet';
import { sink } from './micro-task.js';

export const BATCH = 256;
const TOPICS = 32;

export interface PacketBatch {
  readonly name: string;
  readonly bytes: Buffer;
  readonly isV5: boolean;
}

export function publishBatch(qos: 0 | 1 | 2, isV5: boolean, withProperties: boolean): PacketBatch {
  const packets = Array.from({ length: BATCH }, (_, i): Buffer => {
    const packet: mqttPacket.IPublishPacket = {
      cmd: 'publish',
      topic: `site/${i % TOPICS}/temperature`,
      payload: Buffer.alloc(64, 65 + (i % 26)),
      qos,
      dup: false,
      retain: false,
      ...(qos > 0 ? { messageId: i + 1 } : {}),
      ...(withProperties ? { properties: someProperties } : {}),
    };
    return mqttPacket.generate(packet, { protocolVersion: isV5 ? 5 : 4 });
  });
  const suffix = withProperties ? ' with properties' : '';
  const name = `PUBLISH QoS ${qos} v${isV5 ? '5' : '3.1.1'}${suffix}`;
  return { name, bytes: Buffer.concat(packets), isV5 };
}

export function pubackBatch(): PacketBatch {
  const packets = Array.from({ length: BATCH }, (_, i) => {
    return mqttPacket.generate({ cmd: 'puback', messageId: i + 1 });
  });
  return { name: 'PUBACK', bytes: Buffer.concat(packets), isV5: false };
}

/** Decodes a batch and encodes every packet again with mqtt-packet. */
export function mqttPacketRoundTrip(batch: PacketBatch): () => void {
  const options = { protocolVersion: batch.isV5 ? 5 : 4 };
  const parser = mqttPacket.parser(options);
  parser.on('packet', (packet) => {
    sink.value += mqttPacket.generate(packet, options).length;
  });
  return () => void parser.parse(batch.bytes);
}

const someProperties: NonNullable<mqttPacket.IPublishPacket['properties']> = {
  messageExpiryInterval: 3600,
  contentType: 'application/json',
  userProperties: { unit: 'celsius', source: 'roof' },
};
