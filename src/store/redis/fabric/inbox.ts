/**
 * This broker's inbox: reads what others put there, in order, and once.
 *
 * Repeats and what a failover mixed up are told by writer and number: each sender has one frame
 * on its way, and its numbers grow. So a new connection begins with the first entry that is left,
 * and passes over what was seen. Trimming goes by ids of the same connection only.
 */
import type { Log } from '../../../base/log.js';
import { nodeTag } from '../keys.js';
import { slotOf } from '../slot.js';
import { INBOX_READ_ENTRIES, INBOX_TRIM_ENTRIES } from '../tuning.js';
import type { FabricHome } from './fabric-home.js';
import { type FrameItem, readFrame } from './frames.js';
import { Hearing } from './hearing.js';
import { InboxLane } from './inbox-lane.js';
import { SeenFrames } from './seen-frames.js';
import { type StreamEntry, StreamReader, type StreamSink } from './stream-reader.js';

export interface InboxCounters {
  framesReceived: number;
  /** Seen before. */
  framesRepeated: number;
  /** Damaged, or of another version. */
  framesSkipped: number;
}

export function newCounters(): InboxCounters {
  return { framesReceived: 0, framesRepeated: 0, framesSkipped: 0 };
}

/** What of a frame is not safe without its entry yet. */
interface Underway {
  items: number;
}

/**
 * @param writer of the frame
 * @param done see `FabricObserver.onPublishedTo` and `onOwnLastWill`; called for each such item
 */
export type OnItem = (item: FrameItem, writer: string, done: () => void) => void;

export interface InboxEvents {
  readonly onItem: OnItem;
  /** See `Hearing`. */
  readonly onGone: () => void;
}

export class Inbox implements StreamSink {
  /** It was told that Redis does not have it. */
  isGone = false;
  private readonly reader: StreamReader;
  private readonly counters: InboxCounters;
  private readonly onItem: OnItem;
  private readonly log: Log;
  private readonly node: string;
  private readonly seen = new SeenFrames();
  private readonly hearing: Hearing;
  private lastId = '';
  /** Entries that were read since the last trim. */
  private untrimmed = 0;
  /** One of them would be acted on again if this broker died now: it does not wait. */
  private isUrgent = false;
  private isStopped = false;
  /** By `writer number`. */
  private readonly underway = new Map<string, Underway>();
  /** Entries read from this connection that have to stay, oldest first. */
  private staying: { readonly id: string; readonly underway: Underway }[] = [];

  constructor(
    home: FabricHome,
    node: string,
    counters: InboxCounters,
    { onItem, onGone }: InboxEvents,
  ) {
    this.node = node;
    this.counters = counters;
    this.onItem = onItem;
    this.log = home.options.log;
    const place = {
      slot: slotOf(nodeTag(node)),
      key: home.keys.inbox(node, 'in'),
      count: INBOX_READ_ENTRIES,
    };
    this.hearing = new Hearing(home.options.clock, new InboxLane(home, node), onGone);
    this.reader = new StreamReader(home.cluster, place, this, (error) => home.onFatal(error));
  }

  start(): void {
    this.reader.start();
  }

  stop(): void {
    this.isStopped = true;
    this.reader.stop();
    this.hearing.stop();
  }

  /** See `Hearing.hear`. */
  hear(): Promise<void> | null {
    return this.hearing.hear();
  }

  /** @param hasPeers see `Hearing.tick` */
  tick(hasPeers: boolean): void {
    this.reader.tick();
    this.hearing.tick(hasPeers);
  }

  begin(): Promise<string> {
    this.lastId = '';
    this.untrimmed = 0;
    this.isUrgent = false;
    this.staying = [];
    return Promise.resolve('0-0');
  }

  take(entries: readonly StreamEntry[]): string {
    for (const { fields, id } of entries) {
      // An item may have told that this broker is dead, and is another one now.
      if (this.isStopped) break;
      this.lastId = id;
      this.untrimmed++;
      this.onEntry(fields[1]!, id);
    }
    return entries[entries.length - 1]!.id;
  }

  trim(wasIdle: boolean): string | null {
    const isMuch = this.untrimmed >= INBOX_TRIM_ENTRIES || (wasIdle && this.untrimmed > 0);
    if (!isMuch && !this.isUrgent) return null;
    this.isUrgent = false;
    const { staying } = this;
    while (staying.length > 0 && staying[0]!.underway.items === 0) staying.shift();
    if (staying.length > 0) return staying[0]!.id;
    this.untrimmed = 0;
    return idAfter(this.lastId);
  }

  private onEntry(bytes: Buffer, id: string): void {
    this.counters.framesReceived++;
    const frame = readFrame(bytes);
    if (typeof frame === 'string') {
      this.counters.framesSkipped++;
      this.log.write('error', 'a frame from another broker is passed over', {
        node: this.node,
        frame,
      });
      return;
    }
    if (!this.seen.isNew(frame)) {
      this.counters.framesRepeated++;
      const underway = this.underway.get(`${frame.writer} ${frame.number}`);
      if (underway !== undefined) this.staying.push({ id, underway });
      return;
    }
    const underway = { items: 0 };
    const hasWill = frame.items.some(({ kind }) => kind === 'lastWill');
    const done = (): void => {
      if (--underway.items > 0) return;
      this.underway.delete(`${frame.writer} ${frame.number}`);
      if (hasWill) this.isUrgent = true;
    };
    for (const item of frame.items) {
      if (item.kind === 'publishTo' || item.kind === 'lastWill') underway.items++;
      if (item.kind === 'note') this.hearing.onNote(item.number);
      else this.onItem(item, frame.writer, done);
    }
    if (underway.items === 0) return;
    this.underway.set(`${frame.writer} ${frame.number}`, underway);
    this.staying.push({ id, underway });
  }
}

/** The least id that is greater. */
function idAfter(id: string): string {
  const [time, place] = id.split('-');
  return `${time}-${Number(place) + 1}`;
}
