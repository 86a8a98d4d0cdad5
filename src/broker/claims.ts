/**
 * Asking the store for sessions: one claim per client at a time, after everything that was written
 * for it, so that two connections with one client identifier follow each other.
 */
import { BrokerError } from '../base/errors.js';
import { CLAIM_UNWANTED, type Claim, type ClaimRequest } from '../store/store.js';
import type { Journal } from './journal.js';

/** Who claims. */
export interface Claimant {
  /** False: the client has gone in the meantime. */
  isWaiting(): boolean;
  /** Right before the store is asked: closes the connection that holds the session. */
  prepare(): Promise<void> | null;
}

export class Claims {
  private readonly journal: Journal;
  /** Client identifier → the end of what goes on. */
  private readonly going = new Map<string, Promise<unknown>>();

  constructor(journal: Journal) {
    this.journal = journal;
  }

  /** Clients with something going on. */
  get size(): number {
    return this.going.size;
  }

  /**
   * Claims a session. Null: nobody waits for it any more.
   *
   * @throws BrokerError `STORE_AWAY`
   */
  claim(request: ClaimRequest, claimant: Claimant): Promise<Claim | null> {
    return this.after(request.clientId, async () => {
      if (!claimant.isWaiting()) return null;
      const preparing = claimant.prepare();
      if (preparing !== null) await preparing;
      this.journal.flush();
      return this.ask(request, claimant);
    });
  }

  private async ask(request: ClaimRequest, claimant: Claimant): Promise<Claim | null> {
    try {
      return await this.journal.store.claim(request, () => claimant.isWaiting());
    } catch (error) {
      if (error instanceof BrokerError && error.code === CLAIM_UNWANTED) return null;
      throw error;
    }
  }

  /** Runs `task` when whatever goes on with the client is over; claims made meanwhile wait. */
  after<Result>(clientId: string, task: () => Promise<Result>): Promise<Result> {
    const earlier = this.going.get(clientId) ?? Promise.resolve();
    const begin = (): Promise<Result> => {
      this.journal.beginTurn();
      return task();
    };
    // Never at once: the task may itself ask for what comes after it.
    const result = earlier.then(begin);
    const settled = result.then(
      () => undefined,
      () => undefined,
    );
    this.going.set(clientId, settled);
    void settled.then(() => {
      if (this.going.get(clientId) === settled) this.going.delete(clientId);
    });
    return result;
  }
}
