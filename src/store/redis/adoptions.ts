/**
 * Offline sessions that are due, and those whose broker is dead: who looks after them.
 *
 *     dead broker ─orphan─▶ offline ─due, adopt─▶ one broker looks after it ─▶ gone, or offline
 *                              ▲                                            (its will is out)
 *     disconnect ────────────────┘
 *
 * The broker that disconnected a client or loaded its session asks for it when it is due. What
 * nobody asks for, the sweeper finds (`sweeper.ts`). One script decides, so one broker gets it.
 */
import { BrokerError } from '../../base/errors.js';
import type { FabricObserver } from '../fabric.js';
import type { Cluster } from './cluster.js';
import { sessionTag } from './keys.js';
import type { Owned, Ownership } from './ownership.js';
import type { SessionLane } from './session-lane.js';
import { adopted, left, orphaned, type SessionTask } from './session-tasks.js';
import { slotOf } from './slot.js';
import { type AdoptAnswer, decodeAdopted, decodeOrphaned } from './stored-answer.js';
import { ASK_MS } from './tuning.js';

/** The store, as adoptions need it. */
export interface AdoptionHome {
  readonly cluster: Cluster;
  readonly ownership: Ownership;
  /** This broker in its present life. */
  readonly node: string;
  laneOf(clientId: string): SessionLane;
  enqueueTask(clientId: string, task: SessionTask): void;
  forget(
    clientId: string,
    epoch: number,
    filters: readonly string[],
    owned: Owned | null,
    onDone: () => void,
  ): void;
}

export class Adoptions {
  /** Sessions taken over. */
  adopted = 0;
  private readonly home: AdoptionHome;
  private observer: FabricObserver | null = null;
  /** Found due before there was anybody to tell; null: there is somebody. */
  private early: string[] | null = [];
  /** Transient clients whose will is being published here → epoch. */
  private readonly transients = new Map<string, number>();

  constructor(home: AdoptionHome) {
    this.home = home;
  }

  /** The observer can be told from now on. Null: nobody wants to know. */
  begin(observer: FabricObserver | null): void {
    this.observer = observer;
    const early = this.early ?? [];
    this.early = null;
    for (const clientId of early) this.takeNow(clientId);
  }

  /** This broker closes: it takes nothing over any more. */
  end(): void {
    this.early = null;
    this.observer = null;
  }

  /** See `Fabric.adopt`. @throws BrokerError `STORE_AWAY` */
  adopt(clientId: string, epoch: number): Promise<number> {
    const { cluster, node } = this.home;
    if (cluster.isAwayAt(slotOf(sessionTag(clientId)))) {
      return Promise.reject(new BrokerError('STORE_AWAY', 'Redis is away'));
    }
    return new Promise((resolve, reject) => {
      const lane = this.home.laneOf(clientId);
      const task = adopted(node, epoch, '', (value) => {
        clearTimeout(timer);
        const answer = decodeAdopted(clientId, value);
        resolve(answer.isOurs ? answer.session.epoch : 0);
      });
      // One that takes effect all the same is adopted again when nobody has seen to it.
      const timer = setTimeout(() => {
        lane.remove(task);
        reject(new BrokerError('STORE_AWAY', `Redis did not answer for ${ASK_MS} ms`));
      }, ASK_MS);
      lane.add(task);
      lane.pump();
    });
  }

  /**
   * A session is due and nobody seems to look after it.
   *
   * @param deadNode whose word that it does counts no more; empty: none
   */
  take(clientId: string, deadNode: string): Promise<AdoptAnswer> {
    const { node } = this.home;
    return new Promise((resolve) => {
      const task = adopted(node, 0, deadNode, (value) => {
        const answer = decodeAdopted(clientId, value);
        if (answer.isOurs) this.onTaken(answer);
        resolve(answer);
      });
      this.home.enqueueTask(clientId, task);
    });
  }

  /** See `FabricHome.orphan`. */
  orphan(clientId: string, deadNode: string): Promise<void> {
    return new Promise((resolve) => {
      const task = orphaned(deadNode, (value) => this.onOrphaned(clientId, value, resolve));
      this.home.enqueueTask(clientId, task);
    });
  }

  /** The will of a transient client is out; false: there was none here. */
  leave(clientId: string): boolean {
    const epoch = this.transients.get(clientId);
    if (epoch === undefined) return false;
    this.transients.delete(clientId);
    const { home } = this;
    const task = left(
      () => epoch,
      (value) => {
        const filters = Array.isArray(value) ? value.map(String) : [];
        if (filters.length > 0) home.forget(clientId, epoch, filters, null, nothing);
      },
    );
    home.enqueueTask(clientId, task);
    return true;
  }

  private onOrphaned(clientId: string, value: unknown, onDone: () => void): void {
    const answer = decodeOrphaned(value);
    const { home } = this;
    if (answer === null) {
      onDone();
      return;
    }
    if (answer.kind === 'gone') {
      if (answer.filters.length === 0) onDone();
      else home.forget(clientId, answer.epoch, answer.filters, null, onDone);
      return;
    }
    home.ownership.enlist(clientId, answer.dueMs, () => {
      onDone();
      if (!answer.isDue) return;
      if (this.early === null) this.takeNow(clientId);
      // Who loads a durable session sees to it.
      else if (answer.isTransient) this.early.push(clientId);
    });
  }

  private takeNow(clientId: string): void {
    if (this.observer !== null) void this.take(clientId, '');
  }

  private onTaken({ session, isTransient }: AdoptAnswer & { isOurs: true }): void {
    this.adopted++;
    if (isTransient) this.transients.set(session.clientId, session.epoch);
    this.observer?.onAdopted(session, isTransient);
  }
}

function nothing(): void {
  // Nobody waits for it.
}
