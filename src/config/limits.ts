/**
 * Every limit of the broker: unit, default, range, and what happens when it is reached.
 *
 * Each is a configuration key under the name in `limitDefinitions`; docs/limits.md is
 * generated from the same table. 0 means "no limit" only where the text says so.
 */

export interface LimitDefinition {
  /** Key in the configuration file. */
  readonly key: string;
  readonly unit: string;
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** What happens when it is reached, with the reason code where a client sees one. */
  readonly reached: string;
  /** What goes up then, as named below `$SYS/broker/`; none where nothing is dropped or refused. */
  readonly counters: readonly string[];
}

const define = (
  key: string,
  unit: string,
  defaultValue: number,
  min: number,
  max: number,
  reached: string,
  ...counters: readonly string[]
): LimitDefinition => ({ key, unit, default: defaultValue, min, max, reached, counters });

const BIG = Number.MAX_SAFE_INTEGER;
const KIB = 1024;
const MIB = 1024 * KIB;

export const limitDefinitions = {
  connectionsMax: define(
    'global_max_connections',
    'connections; -1: no limit',
    -1,
    -1,
    10_000_000,
    'a new connection is closed at once',
    'connections/refused',
  ),
  clientsMax: define(
    'global_max_clients',
    'sessions, connected or not; -1: no limit',
    -1,
    -1,
    BIG,
    'CONNECT of a client without a session is refused with 0x97 (3.x: 3)',
    'connections/refused',
  ),
  connectionsPerAddressMax: define(
    'max_connections_per_address',
    'connections from one remote address; 0: no limit',
    0,
    0,
    10_000_000,
    'a new connection is closed at once',
    'connections/refused',
  ),
  connectRatePerSecond: define(
    'max_connect_rate',
    'accepted connections per second; 0: no limit',
    0,
    0,
    1_000_000,
    'a new connection is closed at once, its CONNECT is not read',
    'connections/refused',
  ),
  connectTimeoutMs: define(
    'connect_timeout_ms',
    'milliseconds from accept to CONNECT complete, TLS and PROXY header included',
    30_000,
    100,
    3_600_000,
    'the connection is closed',
    'connections/connect_timeouts',
    'connections/refused',
  ),
  authenticationTimeoutMs: define(
    'authentication_timeout_ms',
    'milliseconds that an authentication exchange may take',
    30_000,
    100,
    3_600_000,
    'CONNACK 0x87 or DISCONNECT 0x87, then close',
    'connections/connect_timeouts',
    'connections/refused',
  ),
  connectBytesMax: define(
    'max_connect_bytes',
    'bytes of the CONNECT packet, and of an AUTH packet before CONNACK',
    256 * KIB,
    64,
    256 * MIB,
    'v5: CONNACK 0x95, where the version can be read; 3.x: the connection is closed',
    'packets_too_large',
    'connections/refused',
  ),
  packetBytesMax: define(
    'max_packet_size',
    'bytes of a packet from a client, 20 or more; 0: what the protocol allows (268 435 460)',
    2_000_000,
    0,
    268_435_460,
    'v5: DISCONNECT 0x95; 3.x: the connection is closed',
    'packets_too_large',
  ),
  messageBytesMax: define(
    'message_size_limit',
    'bytes of a payload; 0: no limit of its own',
    0,
    0,
    268_435_455,
    'the message is not routed; v5 PUBACK/PUBREC 0x97, QoS 0 and 3.x: acknowledged and dropped; ' +
      'a will: CONNACK 0x95 (3.x: 5)',
    'dropped/too_large',
  ),
  inflightMessagesMax: define(
    'max_inflight_messages',
    'QoS 1 and 2 messages in flight to one client; 0: no limit but the protocol’s 65 535',
    100,
    0,
    65_535,
    'further messages wait in the queue',
  ),
  inflightBytesMax: define(
    'max_inflight_bytes',
    'payload bytes of QoS 1 and 2 messages in flight to one client; 0: no limit',
    0,
    0,
    BIG,
    'further messages wait in the queue',
  ),
  receiveMaximum: define(
    'receive_maximum',
    'QoS 2 messages that one connection may have in flight towards the broker',
    1000,
    1,
    65_535,
    'DISCONNECT 0x93; 3.x clients know no such maximum and may use all packet identifiers',
    'receive_maximum_exceeded',
  ),
  queuedMessagesMax: define(
    'max_queued_messages',
    'messages waiting in one session’s queue beyond those in flight; 0: no limit',
    1000,
    0,
    BIG,
    'queue_full_policy: drop_newest, drop_oldest or refuse (v5 0x97)',
    'dropped/queue_full',
    'dropped/refused',
  ),
  queuedBytesMax: define(
    'max_queued_bytes',
    'payload bytes waiting in one session’s queue; 0: no limit',
    0,
    0,
    BIG,
    'queue_full_policy: drop_newest, drop_oldest or refuse (v5 0x97); a message that is larger ' +
      'by itself is never queued',
    'dropped/queue_full',
    'dropped/refused',
  ),
  outputBytesMax: define(
    'max_output_buffer_bytes',
    'bytes that wait for one slow socket',
    1 * MIB,
    64 * KIB,
    1024 * MIB,
    'half full: publishers are paused for slow_subscriber_pause_ms; full: QoS 0 is dropped, ' +
      'QoS > 0 stays queued, and the client is not read',
    'publishers/paused',
    'dropped/slow_subscriber',
  ),
  outputBytesTotalMax: define(
    'max_output_buffer_bytes_total',
    'bytes that wait for all slow sockets together',
    512 * MIB,
    1 * MIB,
    BIG,
    'as max_output_buffer_bytes when full, for every connection with bytes waiting',
    'publishers/paused',
    'dropped/slow_subscriber',
  ),
  slowSubscriberPauseMs: define(
    'slow_subscriber_pause_ms',
    'milliseconds that one full subscriber may hold up its publishers; 0: never',
    100,
    0,
    60_000,
    'the subscriber counts as stuck until it has drained: what does not fit is dropped, at ' +
      'QoS > 0 as queue_full_policy says',
    'dropped/slow_subscriber',
  ),
  topicLevelsMax: define(
    'max_topic_levels',
    'levels of a topic name or filter',
    200,
    1,
    65_536,
    'filter: SUBACK 0x8F (3.x: 0x80); name: DISCONNECT 0x90, of a will: CONNACK 0x90; 3.x: ' +
      'the connection is closed',
    'topics/refused',
  ),
  subscriptionsPerClientMax: define(
    'max_subscriptions_per_client',
    'subscriptions of one session; 0: no limit',
    0,
    0,
    BIG,
    'SUBACK 0x97 (3.x: 0x80)',
    'subscriptions/refused',
  ),
  publishRatePerClient: define(
    'max_publish_rate',
    'PUBLISH packets per second of one client, averaged over a second; 0: no limit',
    0,
    0,
    BIG,
    'the client’s socket is paused until it is back within the rate',
    'publishers/paused',
  ),
  publishBytesPerClient: define(
    'max_publish_bytes_rate',
    'bytes per second read from one client, averaged over a second; 0: no limit',
    0,
    0,
    BIG,
    'the client’s socket is paused until it is back within the rate',
    'publishers/paused',
  ),
  storePendingBytesMax: define(
    'max_store_pending_bytes',
    'bytes of messages and other changes that wait for the durable store',
    16 * MIB,
    64 * KIB,
    BIG,
    'whoever adds to it is not read until half of it is safe',
    'publishers/paused',
  ),
  storeOverloadBytes: define(
    'store_overload_bytes',
    'bytes that wait for the durable store although sources are paused, because others come',
    64 * MIB,
    64 * KIB,
    BIG,
    'PUBLISH at QoS > 0 or with RETAIN: DISCONNECT 0x89 (3.x: the connection is closed); ' +
      'nothing more is taken from the broker itself, from wills and from QoS 0 for queues',
    'publishers/refused',
    'dropped/queue_full',
    'dropped/retained_full',
  ),
  acknowledgementsWaitingMax: define(
    'max_waiting_acknowledgements',
    'acknowledgements that wait on one connection until the durable store has the messages',
    16_384,
    16,
    BIG,
    'the client is not read until half of them are out',
    'publishers/paused',
  ),
  windowMessagesMax: define(
    'max_window_messages',
    'messages of a connected client’s stored queue that wait in memory, beyond those in flight',
    1_000,
    2,
    65_535,
    'newer ones stay in the durable store, which is read, up to max_window_bytes at a time, when ' +
      'half of them are sent',
  ),
  windowBytesMax: define(
    'max_window_bytes',
    'bytes of those messages',
    1 * MIB,
    1,
    BIG,
    'as max_window_messages; one message is always read',
  ),
  unsettledMessagesMax: define(
    'max_unsettled_messages',
    'messages that a client acknowledged and the durable store does not know of yet; after a ' +
      'crash they, and those in flight, are sent again with DUP',
    1_000,
    64,
    65_535,
    'nothing more is sent to the client until the store has caught up',
  ),
  retainedMessagesMax: define(
    'max_retained_messages',
    'retained messages without those of $SYS; 0: no limit',
    0,
    0,
    BIG,
    'a new topic is delivered but not retained; v5 PUBACK/PUBREC 0x97',
    'dropped/retained_full',
  ),
  retainedBytesMax: define(
    'max_retained_bytes',
    'payload bytes of all retained messages without those of $SYS; 0: no limit',
    0,
    0,
    BIG,
    'a message that does not fit is delivered but not retained, and its topic has none any more; ' +
      'v5 PUBACK/PUBREC 0x97',
    'dropped/retained_full',
  ),
  memoryBytesMax: define(
    'memory_limit',
    'bytes of resident memory; 0: 90 % of the JavaScript heap’s limit is the only guard',
    0,
    0,
    BIG,
    'at 90 %: CONNECT of a client without a session (0x97; 3.x: 3) and new subscriptions ' +
      '(0x97; 3.x: 0x80) are refused; at 100 %: new connections are closed at once and ' +
      'publishers are paused',
    'connections/refused',
    'subscriptions/refused',
    'publishers/paused',
  ),
} as const satisfies Record<string, LimitDefinition>;

export type Limits = { readonly [Name in keyof typeof limitDefinitions]: number };

export function defaultLimits(overrides: Partial<Limits> = {}): Limits {
  const limits: Record<string, number> = {};
  for (const [name, definition] of Object.entries(limitDefinitions)) {
    limits[name] = definition.default;
  }
  return Object.freeze({ ...limits, ...overrides }) as Limits;
}
