/** A message of QoS 1 that a transient member of a shared subscription has here. Hot path. */
import { ITEM_BYTES, type Journal } from '../broker/journal.js';
import type { PendingAck } from '../broker/pending-acks.js';
import type { SharedGroup } from '../broker/shared-group.js';
import type { Message } from '../protocol/message.js';
import type { Pledged } from '../store/fabric.js';

export class PledgedMessage implements Pledged {
  readonly bytes: number;
  private readonly journal: Journal;
  private readonly message: Message;
  private readonly group: SharedGroup;
  /** Of the message that is being routed. */
  private readonly ack: PendingAck | null;

  /** @param message kept: it stays as it is */
  constructor(journal: Journal, message: Message, group: SharedGroup) {
    this.journal = journal;
    this.message = message;
    this.group = group;
    this.bytes = ITEM_BYTES + message.end - message.propertiesStart;
    this.ack = journal.beginWrite(this.bytes);
  }

  /** As it was given to the member: nobody can get it again as one of QoS 2. */
  record(): Buffer {
    return this.journal.recordFor(this.message, this.group, 1);
  }

  onSafe(): void {
    this.journal.onSafe(this.bytes);
    this.ack?.onSafe();
  }
}
