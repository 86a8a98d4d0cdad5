/**
 * What has to happen in order: the calls of one session, of one shard of the maps, or of one
 * index. One call at a time is on its way; what comes meanwhile goes out together with the next
 * one. So errors, redirections and failovers cannot change an order, and Redis need remember only
 * the last call of each writer.
 */
import type { Call } from './call.js';

/** What lanes have in common. */
export interface LaneHome {
  route(call: Call): void;
  /** Number of the next call of this process; Redis recognises repeats by it. */
  nextCall(): number;
  /** This process, as Redis knows it: 8 bytes. */
  readonly writer: Buffer;
  /** Work was handed to a lane … */
  begin(): void;
  /** … and is done. */
  end(): void;
}

export abstract class Lane {
  readonly slot: number;
  private current: Call | null = null;

  constructor(slot: number) {
    this.slot = slot;
  }

  /** The next call, or null when nothing may go now. */
  protected abstract next(): Call | null;
  protected abstract readonly home: LaneHome;
  /** Nothing is left to do. */
  protected onIdle(): void {
    // Most lanes stay.
  }

  /** Sends the next call unless one is on its way. */
  pump(): void {
    if (this.current !== null) return;
    const call = this.next();
    if (call === null) {
      this.onIdle();
      return;
    }
    this.current = call;
    this.home.route(call);
  }

  /** The call on its way is over. For calls. */
  onCallDone(): void {
    this.current = null;
    this.pump();
  }
}
