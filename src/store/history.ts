/**
 * The port behind which the history lives: messages as they were published, and presence events,
 * of all brokers that share a store. A store of one broker has none.
 *
 * What a history promises:
 *
 * - Messages of one topic are read in the order in which the store took them: those of one broker
 *   in the order in which they were published there. Those of different topics by about the time.
 * - `onDone` of a message or an event is called once, later, when it is safe as other writes are.
 * - What is written again because its outcome was not known is there once.
 */

/** How much is kept. */
export interface HistoryRetention {
  /** Seconds, by QoS; 0: no limit. */
  readonly maxAgeS: readonly [qos0: number, qos1: number, qos2: number];
  /** Of one QoS in one partition; 0: no limit. */
  readonly maxBytes: number;
  readonly maxMessages: number;
}

export interface HistorySettings extends HistoryRetention {
  /** All brokers must name the same number. */
  readonly partitions: number;
  /** Presence events that are kept, about. */
  readonly maxEvents: number;
}

export interface HistoryWrite {
  readonly topic: string;
  readonly qos: number;
  /** When it was published: `Store.wallMs`, whole milliseconds. */
  readonly timeMs: number;
  /** Counts what this broker has written; ascending. */
  readonly number: number;
  /** Of `record.ts`: as published. */
  readonly record: Buffer;
  readonly onDone: () => void;
}

/** Fields of an event by name; those that do not apply are not there. */
export type PresenceFields = Readonly<Record<string, string>>;

export interface PresenceEvent {
  /** Milliseconds since the Unix epoch, as the store took it. */
  readonly timeMs: number;
  readonly fields: PresenceFields;
}

export interface HistoryMessage {
  /** When it was published, by its broker. */
  readonly timeMs: number;
  /** When the store took it, and a count of those of one time: messages are read in this order. */
  readonly takenMs: number;
  readonly takenSeq: number;
  /** `HistoryLog.writer` of the broker that it was published at, in that life. */
  readonly writer: string;
  /** `HistoryWrite.number` */
  readonly number: number;
  readonly topic: string;
  readonly record: Buffer;
}

/** Which messages are wanted. Topics have the mount points of their publishers' listeners. */
export interface HistoryQuery {
  readonly filters: readonly string[];
  /** Milliseconds since the Unix epoch, both included; Infinity: whatever comes. */
  readonly sinceMs: number;
  readonly untilMs: number;
  /** What the store took later is not looked at; Infinity: no limit. */
  readonly takenUntilMs: number;
  /** Of those that match: which count. */
  readonly isWanted: (message: HistoryMessage) => boolean;
}

export interface LastMessages {
  /** Ascending. */
  readonly messages: readonly HistoryMessage[];
  /** Messages that were looked at. */
  readonly scanned: number;
  /** True: `scanMax` ended the search before it had found all that was asked for. */
  readonly isCut: boolean;
}

/** Reads on and on, the oldest first. */
export interface HistoryCursor {
  /**
   * Some messages more; none: there are no more now, but a later call may find new ones.
   *
   * @param bytesMax enough; one message more is possible
   * @throws BrokerError `STORE_AWAY`, `RECORD_INVALID`
   */
  next(bytesMax: number): Promise<readonly HistoryMessage[]>;
}

/** What only reads needs: the broker, and `tidewire history`. */
export interface HistoryReading {
  /** @throws BrokerError `STORE_AWAY` */
  cursor(query: HistoryQuery): HistoryCursor;
  /**
   * The last `count` messages.
   *
   * @param scanMax messages that are looked at, about
   * @throws BrokerError `STORE_AWAY`, `RECORD_INVALID`
   */
  last(query: HistoryQuery, count: number, scanMax: number): Promise<LastMessages>;
}

export interface HistoryLog extends HistoryReading {
  /** This broker in its present life, as `HistoryMessage.writer` has it. */
  readonly writer: string;
  /**
   * Before anything else, once the store is open.
   *
   * @throws BrokerError `HISTORY` when the history in the store is another one; `STORE_AWAY`
   */
  open(settings: HistorySettings): Promise<void>;
  /** Writes go out with the next `flush`, or before. */
  append(write: HistoryWrite): void;
  addEvent(fields: PresenceFields, onDone: () => void): void;
  flush(): void;
  /** Resolves when all that was appended so far is written. */
  drained(): Promise<void>;
  /** Several times a minute: deletes what is over its limits. */
  tick(nowMs: number): void;
}
