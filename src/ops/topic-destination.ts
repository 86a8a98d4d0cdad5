/**
 * `log_dest topic`: log lines as messages under Mosquitto's names. They are published after the
 * work that caused them, never inside it, since routing is not re-entrant; and what publishing
 * them causes is not published in turn.
 */
import { messageOf } from '../base/errors.js';
import type { LogLevel } from '../base/log.js';
import type { Destination, OnTrouble } from './log-destination.js';
import type { LogEntry } from './log-entry.js';

export const LOG_TOPIC_PREFIX = '$SYS/broker/log/';
/** Lines that wait to be published; further ones are lost and counted. */
export const QUEUED_LINES_MAX = 1_000;

/** Null: `debug` goes nowhere, as in Mosquitto; it has lines for single packets. */
const names: Readonly<Record<LogLevel, string | null>> = {
  error: 'E',
  warning: 'W',
  notice: 'N',
  information: 'I',
  debug: null,
  subscribe: 'M/subscribe',
  unsubscribe: 'M/unsubscribe',
  websockets: 'WS',
};

export type PublishLine = (topic: string, line: string) => void;

export interface TopicDestinationOptions {
  readonly publish: PublishLine;
  /** Runs its argument soon, outside of whatever is going on: `setImmediate`. */
  readonly defer: (run: () => void) => void;
  readonly onTrouble: OnTrouble;
}

interface QueuedLine {
  readonly topic: string;
  readonly line: string;
}

export class TopicDestination implements Destination {
  private readonly options: TopicDestinationOptions;
  private queue: QueuedLine[] = [];
  private lost = 0;
  private isScheduled = false;
  private isPublishing = false;
  private isClosed = false;

  constructor(options: TopicDestinationOptions) {
    this.options = options;
  }

  accepts(level: LogLevel): boolean {
    return names[level] !== null;
  }

  write(entry: LogEntry): void {
    const name = names[entry.level];
    if (name === null || this.isClosed || this.isPublishing || isAboutLogTopic(entry)) return;
    if (this.queue.length >= QUEUED_LINES_MAX) {
      this.lost++;
      return;
    }
    this.queue.push({ topic: LOG_TOPIC_PREFIX + name, line: entry.timed });
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.options.defer(() => this.publishAll());
  }

  flushSync(): void {
    this.publishAll();
  }

  close(): Promise<void> {
    this.publishAll();
    this.isClosed = true;
    return Promise.resolve();
  }

  private publishAll(): void {
    this.isScheduled = false;
    if (this.isPublishing || this.isClosed) return;
    const { queue, lost } = this;
    this.queue = [];
    this.lost = 0;
    if (lost > 0) {
      queue.push({ topic: `${LOG_TOPIC_PREFIX}W`, line: `log lines lost count=${lost}` });
    }
    this.isPublishing = true;
    try {
      for (const { topic, line } of queue) this.options.publish(topic, line);
    } catch (error) {
      this.options.onTrouble(messageOf(error));
    } finally {
      this.isPublishing = false;
    }
  }
}

/** A log line that could not be delivered would make another one, and so on. */
function isAboutLogTopic({ fields }: LogEntry): boolean {
  const { topic } = fields;
  return typeof topic === 'string' && topic.startsWith(LOG_TOPIC_PREFIX);
}
