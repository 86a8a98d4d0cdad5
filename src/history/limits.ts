/** The limits of history, presence and replays: unit, reason, what happens there. */

/** What a message that waits costs beside its bytes. */
export const ITEM_BYTES = 128;
/** Topics of which it is remembered whether they are kept; then all are forgotten. */
export const TOPICS_REMEMBERED = 65_536;
/** Characters of a topic that is remembered. */
export const TOPIC_REMEMBERED_LENGTH = 256;
/** Events that wait for Redis; what comes then is dropped and counted. */
export const EVENTS_PENDING_MAX = 10_000;
/** Milliseconds between warnings about what was dropped. */
export const DROP_LOG_MS = 10_000;

/** Replays that read at the same time; others wait for their turn … */
export const REPLAYS_MAX = 16;
/** … at most so many: then SUBSCRIBE with a replay is refused (0x97). */
export const REPLAYS_WAITING_MAX = 1_000;
/** Messages that `last=` may ask for; more is refused (0x83). */
export const REPLAY_LAST_MAX = 10_000;
/** Messages that the search for the last ones looks at; it ends there, which is logged. */
export const REPLAY_SCAN_MAX = 1_000_000;
/** Bytes of one replay that wait for its client; it reads on when they are sent. */
export const REPLAY_BUFFER_BYTES = 128 * 1024;
/** Milliseconds in which a client takes nothing of its replay; it ends then. */
export const REPLAY_STALL_MS = 60_000;
/** Milliseconds after SUBACK in which others' messages from before it reach the history. */
export const SETTLE_MS = 500;
/** Milliseconds by which brokers' clocks may differ: none of the others' messages falls between. */
export const CLOCK_SKEW_MS = 100;
/** Milliseconds between looks at whether there is more, and until Redis is asked again. */
export const LOOK_MS = 50;
export const RETRY_MS = 1_000;
