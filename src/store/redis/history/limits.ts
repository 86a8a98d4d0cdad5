/** The limits of the history in Redis: each with its unit, its reason, and what happens there. */

const KIB = 1024;

/** Milliseconds between deletions of what is over a limit, where something was written … */
export const TRIM_MS = 5_000;
/** … and where nothing was: age goes on. */
export const TRIM_IDLE_MS = 60_000;
/** Bytes written to a partition after which is looked at once. */
export const TRIM_BYTES = 4 * 1024 * KIB;
/** Entries that one call deletes for their number or bytes; the next call goes on. */
export const TRIM_ENTRIES = 200;
/** Bytes of one call: more than of sessions, as a busy topic has one per round trip … */
export const CALL_BYTES = 256 * KIB;
/** … and messages. */
export const CALL_MESSAGES = 4_096;
/** Presence events in one call. */
export const CALL_EVENTS = 200;

/** Bytes of a stream that a reader asks for at a time, about. */
export const STEP_BYTES = 64 * KIB;
/** Entries of the first step; later ones go by what those weighed. */
export const STEP_ENTRIES = 4;
export const STEP_ENTRIES_MAX = 256;
/** Milliseconds by which the clocks of brokers and of Redis' nodes may differ. */
export const SKEW_MS = 10_000;
/** Milliseconds that a message may have waited for Redis and still be found by `untilMs`. */
export const LATE_MS = 300_000;
/** Bytes of records that a search for the last messages collects; it ends there. */
export const LAST_BYTES_MAX = 16 * 1024 * KIB;
/** Topics that a reader remembers as matching or not; then it forgets all. */
export const TOPICS_REMEMBERED = 10_000;
