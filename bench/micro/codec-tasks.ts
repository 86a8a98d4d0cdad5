/** The codec of the hot path against mqtt-packet: each packet is decoded and encoded again. */
import { Block } from '../../src/base/block.js';
import { TopicTable } from '../../src/broker/topics.js';
import { Message } from '../../src/protocol/message.js';
import { AcknowledgementReader, PublishReader } from '../../src/protocol/publish-reader.js';
import {
  ACKNOWLEDGEMENT_BYTES,
  noExtras,
  packetSize,
  publishRemainingLength,
  writeAcknowledgement,
  writePublish,
} from '../../src/protocol/publish-writer.js';
import {
  readVariableByteInteger,
  variableByteIntegerSize,
} from '../../src/protocol/variable-byte-integer.js';
import { type MicroTask, sink } from './micro-task.js';
import {
  BATCH,
  mqttPacketRoundTrip,
  type PacketBatch,
  pubackBatch,
  publishBatch,
} from './packet-batch.js';

const OUTPUT_BYTES = 64 * 1024;
const TOPIC_LEVELS_MAX = 200;

export function codecTasks(): MicroTask[] {
  const batches = [
    publishBatch(0, false, false),
    publishBatch(1, false, false),
    publishBatch(1, true, false),
    publishBatch(1, true, true),
  ];
  const acks = pubackBatch();
  return [
    ...batches.flatMap((batch) => [
      task(`${batch.name}, Tidewire`, publishRoundTrip(batch)),
      task(`${batch.name}, mqtt-packet`, mqttPacketRoundTrip(batch)),
    ]),
    task(`${acks.name}, Tidewire`, acknowledgementRoundTrip(acks)),
    task(`${acks.name}, mqtt-packet`, mqttPacketRoundTrip(acks)),
  ];
}

/** Decodes a batch and encodes every message again, as a connection does it. */
export function publishRoundTrip(batch: PacketBatch): () => void {
  const { bytes, isV5 } = batch;
  const source = new Block(bytes);
  const target = Block.allocate(OUTPUT_BYTES);
  const topics = new TopicTable({ limits: { topicLevelsMax: TOPIC_LEVELS_MAX } });
  const reader = new PublishReader();
  const message = new Message(topics.fromName('none'), source);
  return () => {
    let out = 0;
    for (let at = 0; at < bytes.length; ) {
      const length = readVariableByteInteger(bytes, at + 1, bytes.length);
      const body = at + 1 + variableByteIntegerSize(length);
      reader.read(bytes, bytes[at] & 0x0f, body, body + length, isV5);
      at = body + length;
      message.topic = topics.resolve(bytes, reader.topicStart, reader.topicEnd);
      message.qos = reader.qos;
      message.propertiesStart = reader.propertiesStart;
      message.payloadStart = reader.payloadStart;
      message.end = reader.end;
      message.isV5 = isV5;
      const remaining = publishRemainingLength(message, reader.qos, isV5, noExtras);
      const { qos, packetId } = reader;
      writePublish(target, out, message, remaining, qos, false, false, packetId, isV5, noExtras, 0);
      out += packetSize(remaining);
    }
    sink.value += out;
  };
}

function acknowledgementRoundTrip(batch: PacketBatch): () => void {
  const { bytes, isV5 } = batch;
  const target = Block.allocate(OUTPUT_BYTES);
  const reader = new AcknowledgementReader();
  return () => {
    let out = 0;
    for (let at = 0; at < bytes.length; ) {
      const length = readVariableByteInteger(bytes, at + 1, bytes.length);
      const body = at + 1 + variableByteIntegerSize(length);
      reader.read(bytes, body, body + length, isV5, false);
      writeAcknowledgement(target.bytes, out, bytes[at], reader.packetId);
      out += ACKNOWLEDGEMENT_BYTES;
      at = body + length;
    }
    sink.value += out;
  };
}

function task(name: string, run: () => void): MicroTask {
  return { group: 'codec', name, operations: BATCH, run };
}
