/**
 * What `$SYS` shows, by topic below `$SYS/broker/`: first Mosquitto's names with Mosquitto's
 * meaning, then our own for everything that is counted. No client id ever appears here.
 */
import { dropReasonNames, type Metrics } from '../broker/metrics.js';
import type { StoreFigures } from '../store/store.js';

/** One moment of the broker, from which all values come. */
export interface SysSnapshot {
  readonly metrics: Metrics;
  readonly retainedMessages: number;
  readonly retainedBytes: number;
  readonly subscriptions: number;
  readonly sharedSubscriptions: number;
  /** CONNECTs that were answered with success, since the start. */
  readonly clientsAccepted: number;
  /** Bytes of JavaScript objects, now and at most. */
  readonly heapBytes: number;
  readonly heapBytesMax: number;
  /** Bytes of the whole process. */
  readonly residentBytes: number;
}

/** What `$SYS` reads of a durable store and of what is on its way there. */
export interface SysJournal {
  readonly store: { figures(): StoreFigures };
  readonly pendingWrites: number;
  readonly pendingBytes: number;
}

type Values<T> = Readonly<Record<string, (snapshot: SysSnapshot) => T>>;

/** As Mosquitto 2.0. */
export const mosquittoValues: Values<number> = {
  'clients/total': ({ metrics }) => metrics.sessions,
  'clients/connected': ({ metrics }) => metrics.clientsConnected,
  'clients/active': ({ metrics }) => metrics.clientsConnected,
  'clients/disconnected': ({ metrics }) => offline(metrics),
  'clients/inactive': ({ metrics }) => offline(metrics),
  'clients/maximum': ({ metrics }) => metrics.clientsConnectedMax,
  'clients/expired': ({ metrics }) => metrics.sessionsExpired,
  'messages/received': ({ metrics }) => metrics.packetsReceived,
  'messages/sent': ({ metrics }) => metrics.packetsSent,
  'messages/stored': (snapshot) => stored(snapshot),
  'store/messages/count': (snapshot) => stored(snapshot),
  'store/messages/bytes': ({ metrics, retainedBytes }) => metrics.bytesQueued + retainedBytes,
  'subscriptions/count': ({ subscriptions, sharedSubscriptions }) =>
    subscriptions - sharedSubscriptions,
  'shared_subscriptions/count': ({ sharedSubscriptions }) => sharedSubscriptions,
  'retained messages/count': ({ retainedMessages }) => retainedMessages,
  'heap/current': ({ heapBytes }) => heapBytes,
  'heap/maximum': ({ heapBytesMax }) => heapBytesMax,
  'publish/messages/received': ({ metrics }) => metrics.publishReceived,
  'publish/messages/sent': ({ metrics }) => metrics.publishSent,
  'publish/messages/dropped': ({ metrics }) => metrics.droppedTotal,
  'publish/bytes/received': ({ metrics }) => metrics.publishBytesReceived,
  'publish/bytes/sent': ({ metrics }) => metrics.publishBytesSent,
  'bytes/received': ({ metrics }) => metrics.bytesReceived,
  'bytes/sent': ({ metrics }) => metrics.bytesSent,
};

/** Counters whose growth per minute is shown below `load/`, as in Mosquitto 2.0. */
export const loadValues: Values<number> = {
  'messages/received': ({ metrics }) => metrics.packetsReceived,
  'messages/sent': ({ metrics }) => metrics.packetsSent,
  'publish/dropped': ({ metrics }) => metrics.droppedTotal,
  'publish/received': ({ metrics }) => metrics.publishReceived,
  'publish/sent': ({ metrics }) => metrics.publishSent,
  'bytes/received': ({ metrics }) => metrics.bytesReceived,
  'bytes/sent': ({ metrics }) => metrics.bytesSent,
  sockets: ({ metrics }) => metrics.connectionsAccepted,
  connections: ({ clientsAccepted }) => clientsAccepted,
};

/** Not in Mosquitto. */
export const ownValues: Values<number> = {
  ...Object.fromEntries(
    dropReasonNames.map((name, reason) => [
      `dropped/${name}`,
      ({ metrics }: SysSnapshot) => metrics.dropped[reason]!,
    ]),
  ),
  'clients/accepted': ({ clientsAccepted }) => clientsAccepted,
  'connections/open': ({ metrics }) => metrics.connectionsOpen,
  'connections/accepted': ({ metrics }) => metrics.connectionsAccepted,
  'connections/refused': ({ metrics }) => metrics.connectionsRefused,
  'connections/connect_timeouts': ({ metrics }) => metrics.connectTimeouts,
  'connections/keepalive_timeouts': ({ metrics }) => metrics.keepAliveTimeouts,
  'connections/bytes_waiting': ({ metrics }) => metrics.bytesWaiting,
  'sessions/count': ({ metrics }) => metrics.sessions,
  'sessions/maximum': ({ metrics }) => metrics.sessionsMax,
  'sessions/taken_over': ({ metrics }) => metrics.sessionsTakenOver,
  'queued/messages/count': ({ metrics }) => metrics.messagesQueued,
  'queued/messages/bytes': ({ metrics }) => metrics.bytesQueued,
  'publishers/paused': ({ metrics }) => metrics.publishersPaused,
  'publishers/refused': ({ metrics }) => metrics.publishersRefused,
  'subscriptions/refused': ({ metrics }) => metrics.subscriptionsRefused,
  'topics/refused': ({ metrics }) => metrics.topicsRefused,
  protocol_errors: ({ metrics }) => metrics.protocolErrors,
  packets_too_large: ({ metrics }) => metrics.packetsTooLarge,
  receive_maximum_exceeded: ({ metrics }) => metrics.receiveMaximumExceeded,
  'memory/resident': ({ residentBytes }) => residentBytes,
};

/**
 * Of a durable store, below `store/`: its own, and what waits for it. Messages and bytes in its
 * queues are not among them: Mosquitto has names for these.
 */
export function storeValues(journal: SysJournal): Readonly<Record<string, number>> {
  const { messages: _, bytes: __, ...figures } = journal.store.figures();
  const values: Record<string, number> = {
    'store/pending_writes': journal.pendingWrites,
    'store/pending_bytes': journal.pendingBytes,
  };
  for (const [name, value] of Object.entries(figures)) values[`store/${name}`] = value;
  return values;
}

function offline({ sessions, clientsConnected }: Metrics): number {
  return Math.max(0, sessions - clientsConnected);
}

function stored({ metrics, retainedMessages }: SysSnapshot): number {
  return metrics.messagesQueued + retainedMessages;
}
