/**
 * A transient client that was let in while the store was away. As soon as the store answers again
 * it is claimed after all: other brokers close what they have of it, and know its will.
 */
import { BrokerError } from '../base/errors.js';
import { CLAIM_LATE, type Claim, type ClaimRequest } from '../store/store.js';
import type { Connection } from './connection.js';
import type { Retry } from './journal.js';

export class LateClaim implements Retry {
  /** The store claims it by itself, sooner or later. */
  isUnderway = false;
  private readonly connection: Connection;
  private readonly request: ClaimRequest;

  constructor(connection: Connection, request: ClaimRequest) {
    this.connection = connection;
    this.request = request;
  }

  /** @param error why it was not claimed yet */
  onFailed(error: unknown): void {
    this.isUnderway = error instanceof BrokerError && error.code === CLAIM_LATE;
    if (this.isUnderway) return;
    if (!this.connection.isClosed) this.connection.core.journal!.retryLater(this);
  }

  retry(): void {
    const { connection, request } = this;
    const { sessions } = connection.core;
    const claimed = sessions.claims!.claim(request, {
      isWaiting: () => !connection.isClosed,
      prepare: () => sessions.wills.whenOut(request.clientId),
    });
    claimed.then(
      (claim) => {
        if (claim !== null) this.onClaimed(claim);
      },
      (error: unknown) => this.onFailed(error),
    );
  }

  private onClaimed({ lastWill }: Claim): void {
    const { connection, request } = this;
    const { peers, sessions, turn } = connection.core;
    const { clientId } = request;
    turn.begin();
    if (lastWill !== null) peers?.publishLastWill(clientId, lastWill);
    if (!connection.isClosed) {
      if (connection.will !== null) connection.will.isUnknown = false;
      return;
    }
    // It left meanwhile, before there was anything to leave; unless its will is still to go out.
    if (sessions.wills.whenOut(clientId) === null) peers?.leave(clientId);
  }
}
