/** What an outbox hands out. */
import type { Message } from '../protocol/message.js';
import type { SharedGroup } from './shared-group.js';

/** One message as `Outbox` hands it out. Reused. */
export class OutboxEntry {
  seq = 0;
  packetId = 0;
  message: Message | null = null;
  qos = 0;
  retain = false;
  dup = false;
  ids: readonly number[] | null = null;
}

/** What an ended outbox leaves for other members of a shared subscription. */
export interface Undelivered {
  readonly message: Message;
  readonly group: SharedGroup;
}
