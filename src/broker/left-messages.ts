/** What an ended session has in memory goes to other members of its groups, or is dropped. */
import type { Message } from '../protocol/message.js';
import type { BrokerContext } from './context.js';
import { DropReason } from './metrics.js';
import type { Outbox } from './outbox.js';
import { onceSafe } from './pending-acks.js';
import { PledgedOutbox } from './pledged-outbox.js';
import type { Router } from './router.js';
import type { Session } from './session.js';

export function passOnMessages(
  session: Session,
  outbox: Outbox,
  router: Router,
  context: BrokerContext,
): void {
  if (!(outbox instanceof PledgedOutbox && outbox.hasPledges)) {
    redeliver(session, outbox, router, context);
    return;
  }
  // What was pledged for it stays so until others have it.
  const journal = context.journal!;
  const suspended = journal.suspend();
  journal.begin();
  redeliver(session, outbox, router, context);
  const pledges = outbox.takePledges();
  onceSafe(journal.end(), () => {
    for (const pledge of pledges) pledge.fulfil();
  });
  journal.resume(suspended);
}

function redeliver(session: Session, outbox: Outbox, router: Router, context: BrokerContext): void {
  // Message → how many of its entries went to others.
  const passedOn = new Map<Message, number>();
  for (const { group, message } of outbox.undelivered()) {
    if (!router.redeliver(group, message)) continue;
    passedOn.set(message, (passedOn.get(message) ?? 0) + 1);
  }
  outbox.forEachMessage((message) => {
    const others = passedOn.get(message) ?? 0;
    if (others > 0) passedOn.set(message, others - 1);
    else context.drop(DropReason.SessionEnded, message, session);
  });
}
