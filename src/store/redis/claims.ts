/**
 * A client connects: its broker goes on record, then claims the session, then the map hears of
 * what that changed, and another broker that had the client until now hears that it has it no more.
 * Gives up after `ASK_MS`, and then undoes what happens all the same.
 */
import { BrokerError } from '../../base/errors.js';
import { emptyWrite } from '../answers.js';
import {
  CLAIM_LATE,
  CLAIM_UNWANTED,
  type Claim,
  type ClaimRequest,
  type LastWill,
} from '../store.js';
import { type ClaimAnswer, ClaimTask } from './claim-task.js';
import type { Cluster } from './cluster.js';
import type { StoreFabric } from './fabric/fabric-home.js';
import { sessionTag } from './keys.js';
import type { Maps } from './maps.js';
import type { Owned, Ownership } from './ownership.js';
import type { LaneTask, SessionLane } from './session-lane.js';
import { left, mapped } from './session-tasks.js';
import { slotOf } from './slot.js';
import { ASK_MS } from './tuning.js';
import type { Whereabouts } from './whereabouts.js';
import { type Births, Part, WriteItem } from './write-item.js';

const EXPIRY_NEVER = 0xffff_ffff;
/** Milliseconds between looks at whether this broker is a member again. */
const FRESH_LOOK_MS = 20;
/** Its clients were told to go elsewhere, and may be there. */
const takenForDead = 'this broker was taken for dead meanwhile';

/** The store, as claims need it. */
export interface ClaimHome extends Births {
  readonly cluster: Cluster;
  readonly maps: Maps;
  readonly ownership: Ownership;
  readonly fabric: StoreFabric;
  readonly whereabouts: Whereabouts;
  readonly writer: Buffer;
  /** This broker in its present life. */
  readonly node: string;
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
  /** A claim at another broker came after the one that was just answered. */
  onClaimedElsewhere(clientId: string, epoch: number): void;
  /** The claim that found it is not answered to anybody. */
  onLastWill(clientId: string, lastWill: LastWill): void;
}

/** A claim that is underway. */
interface Claiming {
  readonly request: ClaimRequest;
  readonly owned: Owned;
  /** The name of this broker with which it claims. */
  readonly node: string;
}

export class Claims {
  private readonly home: ClaimHome;

  constructor(home: ClaimHome) {
    this.home = home;
  }

  /** @throws BrokerError `STORE_AWAY`, `CLAIM_LATE` or `CLAIM_UNWANTED`: see `Store.claim` */
  claim(request: ClaimRequest, isWanted: () => boolean): Promise<Claim> {
    const { cluster, node, ownership } = this.home;
    const { clientId, isDurable } = request;
    const slot = slotOf(sessionTag(clientId));
    if (cluster.isAwayAt(slot) || cluster.isAwayAt(ownership.slot)) {
      return Promise.reject(new BrokerError('STORE_AWAY', 'Redis is away'));
    }
    return new Promise((resolve, reject) => {
      const lane = this.home.laneOf(clientId);
      const before = ownership.current(clientId);
      let timer: NodeJS.Timeout | null = null;
      const task = new ClaimTask(request, node, (answer, then) => {
        const isAwaited = timer !== null;
        if (timer !== null) clearTimeout(timer);
        this.onAnswer({ request, owned, node }, answer, (claim) => {
          const { lastWill } = claim;
          const isOver = node !== this.home.node;
          if (isAwaited && !isOver) resolve(claim);
          else if (lastWill !== null) this.home.onLastWill(clientId, lastWill);
          if (isOver) reject(new BrokerError('STORE_AWAY', takenForDead));
          // The core lets a transient client in without an answer.
          if (isOver || (!isAwaited && isDurable)) this.undo(request, answer, owned);
          then();
        });
      });
      const giveUp = (code: string, why: string): void => {
        if (timer === null) return;
        clearTimeout(timer);
        timer = null;
        const isWithdrawn = task.abandon();
        if (isWithdrawn) {
          lane.remove(task);
          const gone = ownership.takeBack(clientId, owned, before);
          if (gone !== null) this.leave(clientId, gone);
        }
        owned.isLate = true;
        reject(new BrokerError(isWithdrawn || isDurable ? code : CLAIM_LATE, why));
      };
      const onLate = () => giveUp('STORE_AWAY', `Redis did not answer for ${ASK_MS} ms`);
      timer = setTimeout(onLate, ASK_MS);
      lane.add(task);
      const onRecord = () => this.send(task, lane, isWanted, giveUp);
      const owned = ownership.begin(request, onRecord);
      cluster.flush();
    });
  }

  /** This broker is on record. */
  private send(
    task: ClaimTask,
    lane: SessionLane,
    isWanted: () => boolean,
    giveUp: (code: string, why: string) => void,
  ): void {
    if (task.isOver) return;
    if (task.node !== this.home.node) giveUp('STORE_AWAY', takenForDead);
    else if (!isWanted()) giveUp(CLAIM_UNWANTED, 'the client has gone');
    else if (this.isMember) {
      task.isReady = true;
      lane.pump();
    } else {
      // Its word is on the way, or it joins anew: until then nobody would see to its claims.
      setTimeout(() => this.send(task, lane, isWanted, giveUp), FRESH_LOOK_MS);
    }
  }

  /** Others know this broker, and see to its clients if it dies. */
  private get isMember(): boolean {
    const { cluster, fabric } = this.home;
    return cluster.options.clock.nowMs() < fabric.freshUntilMs;
  }

  private onAnswer(claiming: Claiming, answer: ClaimAnswer, then: (claim: Claim) => void): void {
    const { request, owned } = claiming;
    const { claim } = answer;
    const { clientId, isDurable } = request;
    const { fabric, ownership, whereabouts } = this.home;
    if (claim.epoch === 0) {
      // There is nothing to look after.
      ownership.onEnded(clientId, owned, false);
      then(claim);
      return;
    }
    owned.epoch = claim.epoch;
    owned.birth = isDurable ? answer.birth : 0;
    owned.publisherEpoch = isDurable ? claim.epoch : 0;
    if (answer.before !== '') fabric.claimed(answer.before, clientId, claim.epoch);
    const lastWill = this.lastWillOf(clientId, answer);
    if (request.connects) whereabouts.onSubscribed(clientId, claim.epoch, claim.subscriptions);
    this.tellMap(claiming, answer, () => {
      then({ ...claim, epoch: isDurable ? claim.epoch : 0, lastWill });
      const { claimedElsewhere } = owned;
      if (claimedElsewhere > claim.epoch) {
        this.home.onClaimedElsewhere(clientId, claimedElsewhere);
      }
    });
  }

  /** Null: somebody else publishes it, who hears of it after `claimed`. */
  private lastWillOf(clientId: string, { will }: ClaimAnswer): LastWill | null {
    const { fabric, node } = this.home;
    if (will === null || will.by === node) return null;
    const { by, ...lastWill } = will;
    if (by === '' || !fabric.isLive(by)) return lastWill;
    fabric.lastWill(by, clientId, lastWill);
    return null;
  }

  /** Also what the session before left in it. */
  private tellMap({ request }: Claiming, answer: ClaimAnswer, then: () => void): void {
    const { call, claim, gone } = answer;
    const { maps, writer } = this.home;
    const { clientId } = request;
    const isSuspect = answer.isUnmapped || maps.isSuspect;
    if (gone.length === 0 && !isSuspect) {
      then();
      return;
    }
    const there = isSuspect ? claim.subscriptions : [];
    maps.tell(clientId, claim.epoch, there, gone, () => {
      this.home.enqueueTask(clientId, mapped(writer, call, gone));
      then();
    });
  }

  /** Nobody waits for it any more, but the session has a connection now that never was. */
  private undo(request: ClaimRequest, { claim }: ClaimAnswer, owned: Owned): void {
    const { clientId, expiryInterval, isDurable } = request;
    if (!request.connects || claim.epoch === 0) return;
    if (!isDurable) {
      this.leave(clientId, owned);
      return;
    }
    const isForever = expiryInterval >= EXPIRY_NEVER;
    const expiresAtMs = isForever
      ? Number.POSITIVE_INFINITY
      : this.home.wallMs() + expiryInterval * 1000;
    const never = Number.POSITIVE_INFINITY;
    const disconnect = { expiresAtMs, will: null, willAtMs: never, isUnsure: true, inFlight: [] };
    const { ownership } = this.home;
    // On record under a name that this broker has no more: nobody else takes it off.
    const onDone = () => {
      if (ownership.current(clientId) !== owned) ownership.takeBack(clientId, owned, null);
    };
    const write = { ...emptyWrite(clientId), epoch: claim.epoch, disconnect, onDone };
    const lane = this.home.laneOf(clientId);
    lane.add(new WriteItem(write, Part.Whole, null, this.home));
    lane.pump();
  }

  /** A transient client is gone. */
  leave(clientId: string, owned: Owned): void {
    const { ownership } = this.home;
    const task = left(
      () => owned.epoch,
      (value) => {
        const filters = Array.isArray(value) ? value.map(String) : [];
        if (filters.length > 0) this.home.forget(clientId, owned.epoch, filters, owned, nothing);
        else ownership.takeBack(clientId, owned, null);
      },
    );
    this.home.enqueueTask(clientId, task);
  }
}

function nothing(): void {
  // Nobody waits for it.
}
