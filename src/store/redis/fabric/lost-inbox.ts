/**
 * Redis has no inbox of this broker: it is dead, and hears of that soon, or Redis lost it, and with
 * it what others have said. Lost, it has to end this life by itself; nobody else would notice.
 */
import { BrokerError } from '../../../base/errors.js';
import type { FabricHome } from './fabric-home.js';
import type { Inbox } from './inbox.js';
import type { Membership } from './membership.js';

/**
 * Whether it is lost; asked once of each inbox. Then the record of who is connected here, which was
 * beside it, is written again, so that others see to those sessions.
 */
export async function isInboxLost(
  inbox: Inbox,
  home: FabricHome,
  membership: Membership,
): Promise<boolean> {
  if (inbox.isGone) return false;
  inbox.isGone = true;
  try {
    if (!(await membership.isAlive())) return false;
  } catch (error) {
    // Only the end of the store ends a word.
    if (!(error instanceof BrokerError)) throw error;
    return false;
  }
  await new Promise<void>((resolve) => home.ownership.recordAgain(resolve));
  return true;
}
