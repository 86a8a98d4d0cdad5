/** What a broker keeps of what was: messages, and who came and went. Only with `store redis`. */

export interface HistoryConfig {
  /** Messages to matching topics are kept; empty: none. */
  readonly filters: readonly string[];
  /** Seconds; 0: no limit. */
  readonly maxAgeQos0S: number;
  readonly maxAgeQos1S: number;
  readonly maxAgeQos2S: number;
  /** Of one QoS in one partition; 0: no limit. */
  readonly maxBytes: number;
  readonly maxMessages: number;
  /** The same at all brokers, and for ever. */
  readonly partitions: number;
  /** Acknowledgements wait until the message is in the history. */
  readonly isAcknowledged: boolean;
  /** Bytes of messages that wait for Redis; what comes then is dropped and counted. */
  readonly bufferBytes: number;
  readonly hasPresence: boolean;
  /** Events that are kept, about. */
  readonly presenceMaxEvents: number;
}

const MIB = 1024 * 1024;
const DAY_S = 86_400;

export function defaultHistory(overrides: Partial<HistoryConfig> = {}): HistoryConfig {
  return Object.freeze({
    filters: Object.freeze([]),
    maxAgeQos0S: DAY_S,
    maxAgeQos1S: DAY_S,
    maxAgeQos2S: DAY_S,
    maxBytes: 16 * MIB,
    maxMessages: 0,
    partitions: 16,
    isAcknowledged: false,
    bufferBytes: 16 * MIB,
    hasPresence: false,
    presenceMaxEvents: 100_000,
    ...overrides,
  });
}
