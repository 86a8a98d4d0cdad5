/**
 * The limits of the Redis store: each with its unit, its reason, and what happens when it is
 * reached.
 */

const KIB = 1024;

/** Bytes of one batch; a call that is larger goes alone. Beyond it, scripts slow down. */
export const BATCH_BYTES = 64 * KIB;
/** Batches on their way per primary: one executes while the next one travels. Others wait … */
export const BATCHES_IN_FLIGHT = 2;
/** … but with a WAIT at its end a batch is alone: what comes meanwhile is a larger next one. */
export const BATCHES_WAITING = 1;
/** Writes of one session that wait for the one before are packed up to here, in bytes … */
export const CALL_BYTES = 64 * KIB;
/** … and in messages. */
export const CALL_MESSAGES = 1_024;

/** Milliseconds that one WAIT may block; asked again after it. Well below `SILENCE_MS`. */
export const WAIT_MS = 500;
/** Milliseconds without an answer after which a connection is dead. */
export const SILENCE_MS = 1_000;
/** Large batches may take longer: bytes per millisecond that any network should carry. */
export const SLOWEST_BYTES_PER_MS = 1_000;
/** Milliseconds between looks at silent connections; idle ones are asked whether they live. */
export const TICK_MS = 250;
/** Milliseconds for connecting, TLS and AUTH included. */
export const CONNECT_MS = 1_000;
/** Pause before the next attempt to connect; doubles from the one to the other, milliseconds. */
export const RECONNECT_MS_MIN = 25;
export const RECONNECT_MS_MAX = 500;
/** Pause before a call that Redis refused is repeated; doubles, milliseconds. */
export const RETRY_MS_MIN = 10;
export const RETRY_MS_MAX = 500;
/** Redirections of one call that are followed at once; further ones after a pause. */
export const REDIRECTIONS = 4;
/** Milliseconds between looks at who serves which slot, when nothing asks for one. */
export const TOPOLOGY_MS = 5_000;
/** Nodes that are asked for the slots at the same time: one of them may be dead. */
export const TOPOLOGY_ASKED = 3;
/**
 * With the acknowledgement level left to the store: milliseconds without any replica after which
 * a primary's own word is enough.
 */
export const REPLICA_GRACE_MS = 2_000;
/** Milliseconds between looks at whether a primary without replicas has one again. */
export const REPLICA_LOOK_MS = 500;

/** Milliseconds after which `claim` and `read` give up: `STORE_AWAY`. */
export const ASK_MS = 3_000;
/** Milliseconds after which `open` gives up. */
export const OPEN_MS = 10_000;
/** Milliseconds that `close` waits for writes while the store is away. */
export const CLOSE_MS = 3_000;

/** Shards of the replicated maps, and of the index of offline sessions. */
export const SHARDS = 4;
/** Changes that a shard's log keeps, about; whoever is further behind loads the map anew. */
export const LOG_ENTRIES = 10_000;
/** Bytes of a value that the log repeats; a larger one is looked up in the map. */
export const LOG_VALUE_BYTES = 1_024;

/** Publishers whose last QoS 2 message a session remembers; the one longest silent goes first. */
export const MARKS_MAX = 4_096;
/** Writers besides the last one whose last call a session remembers; the first one goes first. */
export const WRITERS_MAX = 32;
/** Acknowledged messages that may stay in a queue until they are trimmed … */
export const TRIM_MESSAGES = 16;
/** … and bytes of them, about. */
export const TRIM_BYTES = 16 * KIB;

/** Keys of idle sessions that are kept encoded; further ones are encoded for each write. */
export const LANES_MAX = 16_384;
/** Sessions remembered as full, whose next write takes the exact path at once. */
export const FULL_MAX = 4_096;
/** Entries that the first step of a read asks for; later steps go by what those weighed. */
export const READ_ENTRIES = 4;
export const READ_ENTRIES_MAX = 512;
/** Elements per step of a scan while opening … */
export const SCAN_COUNT = 2_000;
/** … and bytes, about. */
export const SCAN_BYTES = 4 * 1024 * KIB;
/** Sessions that are asked about at a time while opening. */
export const LOAD_SESSIONS = 4_096;
/** Milliseconds between log entries about the same trouble. */
export const TROUBLE_LOG_MS = 10_000;
/** Milliseconds between looks at Redis' clock. */
export const CLOCK_MS = 10_000;
