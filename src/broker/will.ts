/**
 * Wills: the message that a client leaves for the end of its connection, and the delayed ones
 * that wait for the Will Delay Interval or the end of the session, whichever comes first
 * [MQTT-3.1.2-8].
 */
import type { Deadline } from '../base/deadline-heap.js';
import type { Will } from '../protocol/control-packets.js';
import type { Access, ClientIdentity } from './access.js';

export class PendingWill implements Deadline {
  readonly will: Will;
  readonly identity: ClientIdentity;
  readonly access: Access;
  /** Of a stored session: goes up with each of a client's wills; 0: the will is not stored. */
  readonly stamp: number;
  /** Of its connection, see `Connection.claimEpoch`; 0: that is not known. */
  claimEpoch = 0;
  /** No other broker knows of it: the store was away when its client came. */
  isUnknown = false;
  deadlineMs = 0;
  heapIndex = -1;
  private readonly onDue: (pending: PendingWill) => void;

  constructor(
    will: Will,
    identity: ClientIdentity,
    access: Access,
    onDue: (pending: PendingWill) => void,
    stamp = 0,
  ) {
    this.will = will;
    this.identity = identity;
    this.access = access;
    this.onDue = onDue;
    this.stamp = stamp;
  }

  onDeadline(): void {
    this.onDue(this);
  }
}
