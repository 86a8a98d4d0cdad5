/**
 * The whole path of a message through the core, from the publisher's bytes to the subscribers',
 * acknowledgements included; without the kernel's share. One operation is one delivery.
 */
import { assert } from '../../src/base/assert.js';
import { InMemoryBroker, type MemoryClient } from './in-memory-broker.js';
import type { MicroTask } from './micro-task.js';
import { BATCH, type PacketBatch, publishBatch } from './packet-batch.js';

/** Matches all topics of a batch. */
const FILTER = 'site/+/temperature';
const PUBACK = 0x40;
const PUBREC = 0x50;
const PUBREL = 0x62;
const PUBCOMP = 0x70;
const PACKET_IDS = 65_535;

export function routingTasks(): MicroTask[] {
  return [
    task('QoS 0, 1 → 1', publishBatch(0, false, false), 1),
    task('QoS 1, 1 → 1', publishBatch(1, false, false), 1),
    task('QoS 1 v5 with properties, 1 → 1', publishBatch(1, true, true), 1),
    task('QoS 2, 1 → 1', publishBatch(2, false, false), 1),
    task('QoS 0, 1 → 50', publishBatch(0, false, false), 50),
    task('QoS 1, 1 → 50', publishBatch(1, false, false), 50),
    task('QoS 0, 1 → 1000', publishBatch(0, false, false), 1000),
  ];
}

/** Publishes a batch to so many subscribers, and acknowledges everything both ways. */
export function routeBatch(batch: PacketBatch, subscribers: number): () => void {
  const broker = new InMemoryBroker();
  const qos = (batch.bytes[0] >>> 1) & 3;
  const level = batch.isV5 ? 5 : 4;
  const receivers = Array.from({ length: subscribers }, (_, i) => {
    return new Receiver(broker, broker.connect(`subscriber-${i}`, level), qos);
  });
  for (const { client } of receivers) client.subscribe(FILTER, qos);
  broker.endTurn();
  const publisher = broker.connect('publisher', level);
  const releases = acknowledgements(PUBREL, 1);
  const run = (): void => {
    publisher.send(batch.bytes);
    broker.endTurn();
    for (const receiver of receivers) receiver.acknowledge();
    if (qos === 2) publisher.send(releases);
    if (qos > 0) broker.endTurn();
  };
  run();
  assert(broker.deliveries === BATCH * subscribers, 'every subscriber gets every message');
  run();
  assert(broker.deliveries === 2 * BATCH * subscribers, 'acknowledgements open the window again');
  return run;
}

/** A subscriber that knows which packet identifiers come next, and acknowledges a batch at once. */
class Receiver {
  readonly client: MemoryClient;
  private readonly broker: InMemoryBroker;
  private readonly qos: number;
  private nextPacketId = 1;

  constructor(broker: InMemoryBroker, client: MemoryClient, qos: number) {
    this.broker = broker;
    this.client = client;
    this.qos = qos;
  }

  acknowledge(): void {
    if (this.qos === 0) return;
    const { client } = this;
    const first = this.nextPacketId;
    this.nextPacketId = ((first - 1 + BATCH) % PACKET_IDS) + 1;
    if (this.qos === 1) {
      client.send(acknowledgements(PUBACK, first));
      return;
    }
    client.send(acknowledgements(PUBREC, first));
    this.broker.endTurn();
    client.send(acknowledgements(PUBCOMP, first));
  }
}

const scratch = Buffer.alloc(BATCH * 4);

/** A batch of acknowledgements with ascending identifiers. PUBREL ones are kept by the caller. */
function acknowledgements(header: number, firstPacketId: number): Buffer {
  const bytes = header === PUBREL ? Buffer.alloc(BATCH * 4) : scratch;
  for (let i = 0, at = 0; i < BATCH; i++, at += 4) {
    const packetId = ((firstPacketId - 1 + i) % PACKET_IDS) + 1;
    bytes[at] = header;
    bytes[at + 1] = 2;
    bytes[at + 2] = packetId >>> 8;
    bytes[at + 3] = packetId & 0xff;
  }
  return bytes;
}

function task(name: string, batch: PacketBatch, subscribers: number): MicroTask {
  const run = routeBatch(batch, subscribers);
  return { group: 'bytes to bytes', name, operations: BATCH * subscribers, run };
}
