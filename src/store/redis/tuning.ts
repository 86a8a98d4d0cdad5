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

/** Milliseconds that a blocking read may take; asked again after it. Well below `SILENCE_MS`. */
export const BLOCK_MS = 500;
/** Entries of a shard's log that one read takes. */
export const LOG_READ_ENTRIES = 256;
/** Sessions of other brokers that are asked for at a time while a shard's log is followed. */
export const FOLLOW_SESSIONS = 256;

/** Milliseconds that a broker is taken for alive after its last word: longer than a failover. */
export const LEASE_MS = 15_000;
/** Milliseconds between words; a third of the lease would do, but joins and leaves wait for it. */
export const MEMBER_TICK_MS = 1_000;
/** Milliseconds without a word of any broker after which all leases stand still: Redis was away. */
export const FREEZE_MS = 2_000;
/**
 * Milliseconds before the end of its lease from which a broker does not trust it: as far as
 * Redis' clock may jump ahead in a failover without `FREEZE_MS` seeing it.
 */
export const LEASE_MARGIN_MS = 2_000;
/** Milliseconds between looks at who has seen a broker that joins. */
export const JOIN_LOOK_MS = 20;
/** Milliseconds after which a broker that has not applied an announcement counts as slow. */
export const SLOW_PEER_MS = 1_000;
/** Sessions of a dead broker that are worked off at a time. */
export const DEAD_SESSIONS = 128;
/** Names of its own earlier lives that a broker remembers; the first one goes first. */
export const LIVES_MAX = 16;

/**
 * Entries that an inbox may hold, each up to `CALL_BYTES` or one message. Beyond it senders wait,
 * and with them their publishers: until the reader has caught up or is dead.
 */
export const INBOX_ENTRIES = 1_024;
/** Entries of an inbox that one read takes. */
export const INBOX_READ_ENTRIES = 64;
/** Entries that were read and may stay in an inbox while more come. */
export const INBOX_TRIM_ENTRIES = 64;
/**
 * Milliseconds after which what clients have not acknowledged is written, at twice as many at the
 * latest: most are faster, and cost no write at all. Longer, and publishers wait for slow ones.
 */
export const PLEDGE_MS = 5;
/** Pledges that were fulfilled and may stay until the next call is due; it comes with each tick. */
export const FULFILLED_MAX = 1_024;
/** Messages that a dead broker had pledged which are read at a time. */
export const PLEDGES_READ = 64;
/** Milliseconds after which a broker that waits for its own note in its inbox sends another. */
export const HEARING_MS = 1_000;
/** Milliseconds between notes of a broker that waits for none: is its inbox still there? */
export const INBOX_LOOK_MS = 2_000;
/** Brokers whose last frame an inbox's reader remembers; dead ones go first. */
export const INBOX_WRITERS_MAX = 256;
/** Numbers that gave way, at most, which a forward names; the owner misses others by itself. */
export const FORWARD_DROPPED = 4_096;
/** Bytes of records that the forward of an append carries; the owner reads the others itself. */
export const FORWARD_BYTES = 4 * KIB;

/**
 * Clients of brokers that are not known yet, to be told of what is new in their queues; the first
 * one goes first, and its broker finds out when it looks at all queues.
 */
export const UNTOLD_MAX = 4_096;

/** Publishers whose last QoS 2 message a session remembers; the one longest silent goes first. */
export const MARKS_MAX = 4_096;
/**
 * Bytes of bits, one for each message, about the last messages of a publisher that came through a
 * shared subscription. It repeats no older ones: more than it has in flight.
 */
export const SHARED_MARKS_BYTES = 128;
/** Writers besides the last one whose last call a session remembers; the first one goes first. */
export const WRITERS_MAX = 32;
/** Seconds for which an index, or the history, remembers a broker's last call. */
export const REPEAT_S = 3_600;
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
/** Milliseconds for which nobody else looks after an offline session that was adopted. */
export const SEEN_TO_MS = 10_000;
/** Milliseconds by which a session is overdue before others than its last broker look after it. */
export const OVERDUE_MS = 3_000;
/** Milliseconds between looks at what is overdue … */
export const SWEEP_MS = 1_000;
/** … and sessions that are asked about at a time. */
export const SWEEP_SESSIONS = 256;
/** Milliseconds between log entries about the same trouble. */
export const TROUBLE_LOG_MS = 10_000;
/**
 * Milliseconds before its end at which a retained message counts as expired when another broker
 * deletes one: its idea of Redis' clock may have changed since it heard of it. Less than the least
 * Message Expiry Interval.
 */
export const EXPIRY_SLACK_MS = 500;
/** Milliseconds between looks at Redis' clock. */
export const CLOCK_MS = 10_000;
/** It is asked again, so often at most, while no answer is as exact as this, milliseconds. */
export const CLOCK_SAMPLES = 8;
export const CLOCK_QUICK_MS = 2;
