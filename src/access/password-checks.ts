/**
 * How many password checks run at once. PBKDF2 runs on Node's thread pool (4 threads), which files
 * and DNS use too: a reconnect storm must not keep them all busy, nor queue without end.
 *
 * No result is kept: a cache would hold secrets, and a login is rare beside the messages after it.
 */
import { type PasswordHash, verifyPassword } from './password-hash.js';

/** Checks on the thread pool at once; more of them wait. */
export const PASSWORD_CHECKS_RUNNING_MAX = 2;
/** Checks that wait; beyond it a login is refused with 0x89 Server busy (3.1.1: 3). */
export const PASSWORD_CHECKS_WAITING_MAX = 10_000;

export interface PasswordChecksLimits {
  readonly runningMax: number;
  readonly waitingMax: number;
}

export class PasswordChecks {
  private readonly limits: PasswordChecksLimits;
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(limits: Partial<PasswordChecksLimits> = {}) {
    this.limits = {
      runningMax: limits.runningMax ?? PASSWORD_CHECKS_RUNNING_MAX,
      waitingMax: limits.waitingMax ?? PASSWORD_CHECKS_WAITING_MAX,
    };
  }

  /**
   * Whether `password` belongs to `hash`; null when too many checks wait already. The bytes are
   * copied before the call returns, and wiped when the check is done.
   */
  verify(hash: PasswordHash, password: Uint8Array): Promise<boolean> | null {
    const mustWait = this.running >= this.limits.runningMax;
    if (mustWait && this.waiting.length >= this.limits.waitingMax) return null;
    return this.run(hash, Buffer.from(password), mustWait);
  }

  private async run(hash: PasswordHash, password: Buffer, mustWait: boolean): Promise<boolean> {
    // Whoever ends hands its place on, so `running` does not change for one that waited.
    if (mustWait) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.running++;
    try {
      return await verifyPassword(hash, password);
    } finally {
      password.fill(0);
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next();
    }
  }
}

/** The checks of this process: the thread pool is one, however many listeners there are. */
export const processPasswordChecks: PasswordChecks = new PasswordChecks();
