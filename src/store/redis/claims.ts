/**
 * A client connects: its broker goes on record, then claims the session, then the map hears of
 * what that changed. Gives up after `ASK_MS`, and then undoes what happens all the same.
 */
import { BrokerError } from '../../base/errors.js';
import { emptyWrite } from '../answers.js';
import type { Claim, ClaimRequest } from '../store.js';
import { type ClaimAnswer, ClaimTask } from './claim-task.js';
import type { Cluster } from './cluster.js';
import { sessionTag } from './keys.js';
import type { Maps } from './maps.js';
import type { RedisStoreOptions } from './options.js';
import type { Owned, Ownership } from './ownership.js';
import type { LaneTask, SessionLane } from './session-lane.js';
import { mapped } from './session-tasks.js';
import { slotOf } from './slot.js';
import { ASK_MS } from './tuning.js';
import { type Births, Part, WriteItem } from './write-item.js';

const EXPIRY_NEVER = 0xffff_ffff;

/** The store, as claims need it. */
export interface ClaimHome extends Births {
  readonly cluster: Cluster;
  readonly maps: Maps;
  readonly ownership: Ownership;
  readonly writer: Buffer;
  wallMs(): number;
  laneOf(clientId: string): SessionLane;
  enqueueTask(clientId: string, task: LaneTask): void;
  forget(
    clientId: string,
    epoch: number,
    filters: readonly string[],
    owned: Owned | null,
    onDone: () => void,
  ): void;
}

export class Claims {
  private readonly home: ClaimHome;
  private readonly node: string;

  constructor(home: ClaimHome, options: RedisStoreOptions) {
    this.home = home;
    this.node = options.nodeName;
  }

  /** @throws BrokerError `STORE_AWAY` */
  claim(request: ClaimRequest): Promise<Claim> {
    const { cluster, ownership } = this.home;
    const { clientId, isDurable } = request;
    const slot = slotOf(sessionTag(clientId));
    if (cluster.isAwayAt(slot) || (isDurable && cluster.isAwayAt(ownership.slot))) {
      return Promise.reject(new BrokerError('STORE_AWAY', 'Redis is away'));
    }
    return new Promise((resolve, reject) => {
      const lane = this.home.laneOf(clientId);
      const before = ownership.current(clientId);
      let owned = before;
      let timer: NodeJS.Timeout | null = null;
      const task = new ClaimTask(request, this.node, (answer, then) => {
        const isWanted = timer !== null;
        if (timer !== null) clearTimeout(timer);
        this.onAnswer(request, owned, answer, (claim) => {
          if (isWanted) resolve(claim);
          else this.undo(request, claim);
          then();
        });
      });
      timer = setTimeout(() => {
        timer = null;
        if (task.abandon()) {
          lane.remove(task);
          if (owned !== null && owned !== before) ownership.takeBack(clientId, owned, before);
        }
        reject(new BrokerError('STORE_AWAY', `Redis did not answer for ${ASK_MS} ms`));
      }, ASK_MS);
      lane.add(task);
      const onRecord = () => {
        task.isReady = true;
        lane.pump();
      };
      if (isDurable) owned = ownership.begin(clientId, onRecord);
      else onRecord();
      cluster.flush();
    });
  }

  private onAnswer(
    request: ClaimRequest,
    owned: Owned | null,
    answer: ClaimAnswer,
    then: (claim: Claim) => void,
  ): void {
    const { birth, call, claim, gone } = answer;
    const { clientId } = request;
    const { maps, writer } = this.home;
    if (!request.isDurable) {
      const transient = { ...claim, epoch: 0 };
      // Nothing was there.
      if (claim.epoch === 0 && owned === null) then(transient);
      else this.home.forget(clientId, claim.epoch, gone, owned, () => then(transient));
      return;
    }
    if (claim.epoch === 0) {
      // There is nothing to look after.
      this.home.ownership.onEnded(clientId, owned, true);
      then(claim);
      return;
    }
    if (owned !== null) {
      owned.epoch = claim.epoch;
      owned.birth = birth;
    }
    const isSuspect = answer.isUnmapped || maps.isSuspect;
    if (gone.length === 0 && !isSuspect) {
      then(claim);
      return;
    }
    const there = isSuspect ? claim.subscriptions : [];
    maps.tell(clientId, claim.epoch, there, gone, () => {
      this.home.enqueueTask(clientId, mapped(writer, call, gone));
      then(claim);
    });
  }

  /** Nobody waits for it any more, but the session has a connection now that never was. */
  private undo(request: ClaimRequest, claim: Claim): void {
    const { clientId, expiryInterval, isDurable } = request;
    if (!isDurable || !request.connects) return;
    const isForever = expiryInterval >= EXPIRY_NEVER;
    const expiresAtMs = isForever
      ? Number.POSITIVE_INFINITY
      : this.home.wallMs() + expiryInterval * 1000;
    const never = Number.POSITIVE_INFINITY;
    const disconnect = { expiresAtMs, will: null, willAtMs: never, isUnsure: true };
    const write = { ...emptyWrite(clientId), epoch: claim.epoch, disconnect };
    this.home.laneOf(clientId).add(new WriteItem(write, Part.Whole, null, this.home));
  }
}
