/**
 * Counters of the broker core: plain fields, counted where it happens, read by whoever publishes
 * them. Hot path. Totals since the start; gauges say so.
 */

/** Why a message was dropped (promise P6). Index into `Metrics.dropped`. */
export const DropReason = {
  QueueFull: 0,
  Expired: 1,
  TooLargeForReceiver: 2,
  SlowSubscriber: 3,
  OfflineQos0: 4,
  SessionEnded: 5,
  TooLarge: 6,
  NotAuthorized: 7,
  RetainedFull: 8,
  Refused: 9,
  Unreadable: 10,
} as const;
export type DropReason = (typeof DropReason)[keyof typeof DropReason];

/** Names for logs, `$SYS` and metrics. Index: drop reason. */
export const dropReasonNames: readonly string[] = [
  'queue_full',
  'expired',
  'too_large_for_receiver',
  'slow_subscriber',
  'offline_qos0',
  'session_ended',
  'too_large',
  'not_authorized',
  'retained_full',
  'refused',
  'unreadable',
];

/**
 * For what soon is beyond the integers that V8 keeps unboxed: a double from the start, so that the
 * hot path need not be compiled again after the first two gigabytes.
 */
const zeroBytes = -0;

export class Metrics {
  bytesReceived = zeroBytes;
  bytesSent = zeroBytes;
  packetsReceived = 0;
  packetsSent = 0;
  /** PUBLISH packets from clients. */
  publishReceived = 0;
  publishSent = 0;
  publishBytesReceived = zeroBytes;
  publishBytesSent = zeroBytes;
  /** Index: drop reason. */
  readonly dropped: number[] = dropReasonNames.map(() => 0);
  connectionsAccepted = 0;
  /** CONNECTs answered with success. */
  clientsAccepted = 0;
  /** Before or in CONNECT, for whatever reason. */
  connectionsRefused = 0;
  connectTimeouts = 0;
  keepAliveTimeouts = 0;
  sessionsTakenOver = 0;
  sessionsExpired = 0;
  protocolErrors = 0;
  packetsTooLarge = 0;
  receiveMaximumExceeded = 0;
  subscriptionsRefused = 0;
  topicsRefused = 0;
  publishersPaused = 0;
  /** Connections ended because too much waited for the store. */
  publishersRefused = 0;
  /** Gauge. */
  connectionsOpen = 0;
  /** Gauge: clients with a connection. */
  clientsConnected = 0;
  clientsConnectedMax = 0;
  /** Gauge: sessions, online or not. */
  sessions = 0;
  sessionsMax = 0;
  /** Gauge: messages in queues and in flight. */
  messagesQueued = 0;
  /** Gauge: payload bytes of them; a message in n queues counts n times. */
  bytesQueued = 0;
  /** Gauge: bytes handed to sockets that have not taken them yet. */
  bytesWaiting = 0;

  get droppedTotal(): number {
    let total = 0;
    for (const count of this.dropped) total += count;
    return total;
  }
}
