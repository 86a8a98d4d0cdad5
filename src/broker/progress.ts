/**
 * How far a session's client has come, as far as the store was told, and as far as it knows. It is
 * told with the session's next write, and for its own sake only when much has come together.
 */
import { SENT_AHEAD_MAX } from '../store/store.js';
import type { Draft } from './draft.js';
import type { QueueFeed } from './queue-feed.js';

/** Acknowledgements are written with the next write, or when so many have come. */
const SETTLED_MAX = 64;

export class Progress {
  /** Messages of the window that are done, and the store was not told. */
  private unwritten = 0;
  /** Those, and those of which the store was told and has not answered. */
  private unsettled = 0;
  /** What the store was told last: all below was sent. */
  private toldSeq = 1;

  /** A client connects. */
  begin(nextSeq: number): void {
    this.unwritten = 0;
    this.unsettled = 0;
    this.toldSeq = nextSeq;
  }

  /** There is something to tell. */
  get hasMore(): boolean {
    return this.unwritten > 0;
  }

  /** So much is to tell that it does not wait for another write. */
  isDue(feed: QueueFeed): boolean {
    if (this.unwritten >= SETTLED_MAX) return true;
    return feed.window.nextSeq - this.toldSeq >= SENT_AHEAD_MAX / 2;
  }

  /** So many more are done. */
  onDone(count: number, feed: QueueFeed, unsettledMax: number): void {
    this.unwritten += count;
    this.unsettled += count;
    // Nothing more is sent: how much was, a crash must not leave open beyond a known number.
    if (this.unsettled >= unsettledMax) feed.window.isHeld = true;
  }

  /** Writes what there is to tell into the next write. */
  tell(draft: Draft, feed: QueueFeed): void {
    const { window } = feed;
    draft.tells = feed;
    draft.nextSeq = window.sentEndSeq;
    this.toldSeq = draft.nextSeq;
    if (this.unwritten === 0) return;
    draft.settles += this.unwritten;
    this.unwritten = 0;
    draft.settled = {
      firstSeq: window.firstSeq,
      done: [...window.doneSeqs(), ...feed.doneBeyond()],
    };
  }

  /** The store knows what a write told; true: so more may be sent now. */
  onTold({ nextSeq, settles }: Draft, { window }: QueueFeed, unsettledMax: number): boolean {
    const isOpened = window.onSentKnown(nextSeq);
    this.unsettled -= settles;
    if (!window.isHeld || this.unsettled >= unsettledMax) return isOpened;
    window.isHeld = false;
    return true;
  }
}
