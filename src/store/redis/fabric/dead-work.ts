/** Which of what dead brokers left this broker sees to, and when. */
import { BrokerError } from '../../../base/errors.js';
import type { Cleaner } from './cleaner.js';
import type { FabricHome } from './fabric-home.js';
import type { Followers } from './followers.js';
import type { DeadNode, Membership } from './membership.js';
import { Strays } from './strays.js';

export class DeadWork {
  /** Dead brokers that this one has worked off. */
  done = 0;
  private readonly home: FabricHome;
  private readonly cleaner: Cleaner;
  private readonly membership: Membership;
  private readonly followers: Followers;
  private readonly strays: Strays;
  private isBusy = false;
  private isStopped = false;

  constructor(home: FabricHome, cleaner: Cleaner, membership: Membership, followers: Followers) {
    this.home = home;
    this.cleaner = cleaner;
    this.membership = membership;
    this.followers = followers;
    this.strays = new Strays(() => followers.tables);
  }

  stop(): void {
    this.isStopped = true;
    this.cleaner.stop();
  }

  /** Works these off; what does not succeed comes up again with the next word. */
  start(dead: readonly DeadNode[]): void {
    if (this.isBusy || dead.length === 0) return;
    this.isBusy = true;
    this.workOff(dead)
      .catch((error: unknown) => this.onTrouble(error))
      .finally(() => {
        this.isBusy = false;
      });
  }

  /**
   * Deletes what brokers have in the maps that nobody knows any more.
   *
   * @param known alive or dead
   */
  forgetStrays(
    known: ReadonlySet<string>,
    nowMs: number,
    everyMs: number,
    isMine: (node: string) => boolean,
  ): void {
    for (const node of this.strays.find(known, nowMs, everyMs)) {
      if (isMine(node)) {
        this.cleaner.forgetEntries(node).catch((error: unknown) => this.onTrouble(error));
      }
    }
  }

  private async workOff(dead: readonly DeadNode[]): Promise<void> {
    for (const { node, why } of dead) {
      // What it wrote at last is in the tables then.
      await new Promise<void>((resolve) => this.followers.catchUp(resolve));
      if (this.isStopped) return;
      await this.cleaner.clean(node);
      await this.membership.buried(node);
      this.done++;
      const { log } = this.home.options;
      log.write('notice', 'what another broker left is seen to', { node, why });
    }
  }

  private onTrouble(error: unknown): void {
    if (!(error instanceof BrokerError)) throw error;
    if (this.isStopped) return;
    const { log } = this.home.options;
    log.write('notice', 'a dead broker is not worked off yet', { reason: error.message });
  }
}
