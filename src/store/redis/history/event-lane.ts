/** Presence events on their way to their stream, many in a call. */
import type { PresenceFields } from '../../history.js';
import { Call } from '../call.js';
import type { CommandBuffer } from '../command-buffer.js';
import { EVENTS_TAG, type Keys } from '../keys.js';
import { Lane, type LaneHome } from '../lane.js';
import { slotOf } from '../slot.js';
import { CALL_EVENTS } from './limits.js';
import { eventsScript } from './scripts.js';

interface WaitingEvent {
  /** Names and values in turn. */
  readonly parts: readonly string[];
  readonly onDone: () => void;
}

export class EventLane extends Lane {
  protected readonly home: LaneHome;
  private readonly keys: Keys;
  private readonly maxEvents: number;
  private queue: WaitingEvent[] = [];

  constructor(home: LaneHome, keys: Keys, maxEvents: number) {
    super(slotOf(EVENTS_TAG));
    this.home = home;
    this.keys = keys;
    this.maxEvents = maxEvents;
  }

  /** `pump` follows. */
  add(fields: PresenceFields, onDone: () => void): void {
    this.home.begin();
    this.queue.push({ parts: Object.entries(fields).flat(), onDone });
  }

  protected next(): Call | null {
    const { home, keys, maxEvents, queue } = this;
    if (queue.length === 0) return null;
    const lastKey = keys.events(`w:${home.writer}`);
    const taken = queue.splice(0, CALL_EVENTS);
    return new EventsCall(this, home, [lastKey, keys.events('log')], maxEvents, taken);
  }
}

class EventsCall extends Call {
  readonly size: number;
  private readonly lane: EventLane;
  private readonly home: LaneHome;
  private readonly keys: readonly string[];
  private readonly maxEvents: number;
  private readonly events: readonly WaitingEvent[];
  private readonly writer: Buffer;
  private readonly number: number;

  constructor(
    lane: EventLane,
    home: LaneHome,
    keys: readonly string[],
    maxEvents: number,
    events: readonly WaitingEvent[],
  ) {
    super(lane.slot);
    this.lane = lane;
    this.home = home;
    this.keys = keys;
    this.maxEvents = maxEvents;
    this.events = events;
    this.writer = home.writer;
    this.number = home.nextCall();
    let size = 400;
    for (const { parts } of events) for (const part of parts) size += part.length + 20;
    this.size = size;
  }

  encode(out: CommandBuffer): void {
    const { events, keys } = this;
    const parts = events.reduce((sum, event) => sum + 1 + event.parts.length, 0);
    out.command(3 + keys.length + 3 + parts);
    out.encoded(eventsScript.encoded);
    out.number(keys.length);
    for (const key of keys) out.text(key);
    out.blob(this.writer);
    out.number(this.number);
    out.number(this.maxEvents);
    for (const event of events) {
      out.number(event.parts.length);
      for (const part of event.parts) out.text(part);
    }
  }

  onReply(): void {
    for (const { onDone } of this.events) {
      onDone();
      this.home.end();
    }
    this.lane.onCallDone();
  }
}
