/** The sending side of QoS 1 and 2: from the queue to the last acknowledgement. */
import { Block } from '../../src/base/block.js';
import { Outbox } from '../../src/broker/outbox.js';
import { OutboxEntry } from '../../src/broker/outbox-entry.js';
import { Message, TopicName } from '../../src/protocol/message.js';
import { type MicroTask, sink } from './micro-task.js';

const MESSAGES = 1000;
const INFLIGHT = 20;

export function qosTasks(): MicroTask[] {
  const block = new Block(Buffer.from('topic and payload'));
  const message = new Message(new TopicName('topic', block, 0, 5), block);
  message.payloadStart = 10;
  message.end = 17;
  message.propertiesStart = 10;
  return [
    queueTask(message, 1),
    queueTask(message, 2),
    {
      group: 'QoS machines',
      name: 'QoS 1 sent at once, acknowledged',
      operations: MESSAGES,
      run: sendAtOnce(message),
    },
  ];
}

/** All messages wait in the queue first; `INFLIGHT` of them are on their way at a time. */
function queueTask(message: Message, qos: 1 | 2): MicroTask {
  const outbox = new Outbox();
  const entry = new OutboxEntry();
  const sent: number[] = [];
  const run = () => {
    for (let i = 0; i < MESSAGES; i++) outbox.add(message, qos, false, null, null);
    while (outbox.length > 0) {
      sent.length = 0;
      while (outbox.peek(entry, INFLIGHT)) {
        sent.push(entry.packetId);
        outbox.becomeSent(entry);
      }
      for (const packetId of sent) {
        if (qos === 1) outbox.onPuback(packetId);
        else if (outbox.onPubrec(packetId)) outbox.onPubcomp(packetId);
      }
    }
    sink.value += outbox.endSeq;
  };
  const name = `QoS ${qos} queued, sent, acknowledged`;
  return { group: 'QoS machines', name, operations: MESSAGES, run };
}

function sendAtOnce(message: Message): () => void {
  const outbox = new Outbox();
  return () => {
    for (let i = 0; i < MESSAGES; i++) {
      const seq = outbox.addSent(message, 1, false, message.payloadLength);
      outbox.onPuback(((seq - 1) % 65_535) + 1);
    }
    sink.value += outbox.endSeq;
  };
}
