/** Sends what waits in a session's queue, as far as window and socket allow. Hot path. */
import type { Message } from '../protocol/message.js';
import type { BrokerContext } from './context.js';
import { DropReason } from './metrics.js';
import type { Outbox } from './outbox.js';
import { OutboxEntry } from './outbox-entry.js';
import { hasByteWindow } from './queue-limits.js';
import type { Sender } from './sender.js';
import type { Session } from './session.js';
import { withhold } from './withhold.js';

const entry = new OutboxEntry();

export function pumpOutbox(
  session: Session,
  sender: Sender,
  outbox: Outbox,
  { turn, limits }: BrokerContext,
): void {
  const { nowMs } = turn;
  while (sender.isReady && outbox.peek(entry, sender.inflightMax)) {
    const message = entry.message!;
    if (!hasByteWindow(limits, outbox, message)) return;
    // What was sent once does not expire any more [MQTT-4.3.3-7].
    const isExpired = message.expiresAtMs <= nowMs && !entry.dup;
    if (isExpired || !sender.fits(message, entry.qos, entry.ids)) {
      withhold(outbox, entry, sender);
      session.stored?.onWithheld(entry);
      session.drop(isExpired ? DropReason.Expired : DropReason.TooLargeForReceiver, message);
      continue;
    }
    if (entry.seq < session.recheckBefore && !passesRecheck(session, sender, outbox, message)) {
      if (session.sender !== sender) return;
      continue;
    }
    const { packetId, qos, retain, dup, ids } = entry;
    outbox.becomeSent(entry);
    if (qos === 0) session.stored?.onSettled(1);
    sender.send(message, qos, retain, dup, packetId, ids, null);
  }
}

/** False when the message that `entry` holds is withheld, or `entry` is out of date. */
function passesRecheck(
  session: Session,
  sender: Sender,
  outbox: Outbox,
  message: Message,
): boolean {
  const mayRead = session.mayRead(message.topic.name);
  // A hook may do what it likes meanwhile: end this connection, publish to this very queue.
  if (session.sender !== sender || !outbox.peek(entry, sender.inflightMax)) return false;
  if (entry.message !== message) return false;
  if (mayRead) return true;
  withhold(outbox, entry, sender);
  session.stored?.onWithheld(entry);
  session.drop(DropReason.NotAuthorized, message);
  return false;
}
