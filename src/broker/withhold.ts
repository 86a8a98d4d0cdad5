/** How a message leaves the queue of a client that may no longer read it, or cannot take it. */
import { PUBREL_BYTE } from '../protocol/publish-writer.js';
import type { Outbox } from './outbox.js';
import type { OutboxEntry } from './outbox-entry.js';
import type { Sender } from './sender.js';

/** @param entry of the last `peek` */
export function withhold(outbox: Outbox, entry: OutboxEntry, sender: Sender): void {
  if (!entry.dup || entry.qos < 2) {
    outbox.becomeDropped(entry);
    return;
  }
  // The client may hold the identifier since an earlier connection, and would take the next message
  // that gets it for a repetition: PUBREL frees it [MQTT-4.3.3-12].
  const { packetId } = entry;
  outbox.becomeSent(entry);
  outbox.onPubrec(packetId);
  sender.acknowledge(PUBREL_BYTE, packetId);
}
