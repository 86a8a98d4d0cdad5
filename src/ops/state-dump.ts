/** SIGUSR1: the state of the broker as one log event, for somebody who looks into a problem. */
import type { Log, LogFields } from '../base/log.js';
import { dropReasonNames, type Metrics } from '../broker/metrics.js';
import type { LoopDelay } from './loop-delay.js';

export interface DumpCore {
  readonly metrics: Metrics;
  readonly retained: { readonly size: number; readonly bytes: number };
  readonly index: { readonly size: number };
  readonly isMemoryTight: boolean;
  readonly isShuttingDown: boolean;
}

export interface DumpSources {
  /** `process.memoryUsage` */
  readonly memory: () => {
    readonly rss: number;
    readonly heapUsed: number;
    readonly heapTotal: number;
    readonly external: number;
  };
  readonly loopDelay: LoopDelay;
}

/** Writes the event `state`. Counts only: neither client ids nor topics. */
export function dumpState(core: DumpCore, sources: DumpSources, log: Log): void {
  log.write('notice', 'state', {
    ...clients(core.metrics),
    subscriptions: core.index.size,
    retainedMessages: core.retained.size,
    retainedBytes: core.retained.bytes,
    queuedMessages: core.metrics.messagesQueued,
    queuedBytes: core.metrics.bytesQueued,
    bytesWaiting: core.metrics.bytesWaiting,
    publishReceived: core.metrics.publishReceived,
    publishSent: core.metrics.publishSent,
    ...drops(core.metrics),
    ...memory(sources),
    isMemoryTight: core.isMemoryTight,
    isShuttingDown: core.isShuttingDown,
    loopDelayMs: Math.round(sources.loopDelay.lastDelayMs),
    loopDelayMaxMs: Math.round(sources.loopDelay.takeLongestMs()),
  });
}

function clients(metrics: Metrics): LogFields {
  return {
    connections: metrics.connectionsOpen,
    clients: metrics.clientsConnected,
    sessions: metrics.sessions,
    connectionsAccepted: metrics.connectionsAccepted,
    connectionsRefused: metrics.connectionsRefused,
    publishersPaused: metrics.publishersPaused,
    publishersRefused: metrics.publishersRefused,
    protocolErrors: metrics.protocolErrors,
  };
}

/** `dropped_queue_full` and so on. */
function drops(metrics: Metrics): LogFields {
  const fields: Record<string, number> = { dropped: metrics.droppedTotal };
  dropReasonNames.forEach((name, reason) => {
    fields[`dropped_${name}`] = metrics.dropped[reason]!;
  });
  return fields;
}

function memory(sources: DumpSources): LogFields {
  const { rss, heapUsed, heapTotal, external } = sources.memory();
  return {
    residentBytes: rss,
    heapBytes: heapUsed,
    heapTotalBytes: heapTotal,
    externalBytes: external,
  };
}
