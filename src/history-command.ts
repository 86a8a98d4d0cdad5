/** `tidewire history`: prints what brokers have kept in Redis, for people and for scripts. */
import { isUtf8 } from 'node:buffer';
import { type Clock, systemClock } from './base/clock.js';
import { BrokerError } from './base/errors.js';
import type { Environment } from './config/environment.js';
import { type HistoryOptions, historyUsage, parseHistory } from './history-options.js';
import { redisOptions } from './make-store.js';
import { decodeMessageProperties } from './protocol/message-properties.js';
import type { HistoryMessage, HistoryQuery, PresenceEvent } from './store/history.js';
import { decodeRecord } from './store/record.js';
import { ReadOnlyHistory } from './store/redis/history/read-only.js';

/** Messages that the search for the last ones looks at; it says so when it ends there. */
const SCAN_MAX = 10_000_000;
/** Bytes of messages that are read at a time. */
const STEP_BYTES = 256 * 1024;
const NO_HISTORY = 2;
const lineEnd = Buffer.from('\n');

export interface HistoryIo {
  /** Resolves when more may come. */
  out(bytes: string | Buffer): Promise<void>;
  /** One line per error. */
  error(text: string): void;
  readonly environment: Environment;
  readonly clock: Clock;
}

/** Runs the command; resolves with the exit code, as the usage says it. */
export async function runHistoryCommand(args: readonly string[], io: HistoryIo): Promise<number> {
  try {
    const options = parseHistory(args, io.environment, io.clock.wallMs());
    if (options === null) {
      await io.out(historyUsage);
      return 0;
    }
    const { nodes, password, prefix, tls, username } = redisOptions(options.redis);
    const login = { nodes, username, password, tls, prefix };
    const history = await ReadOnlyHistory.open({ ...login, clock: io.clock });
    try {
      if (options.filters.length === 0) await printEvents(history, options, io);
      else return await printMessages(history, options, io);
    } finally {
      history.close();
    }
    return 0;
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    io.error(`Error: ${error.message}\n`);
    return 1;
  }
}

async function printMessages(
  history: ReadOnlyHistory,
  options: HistoryOptions,
  io: HistoryIo,
): Promise<number> {
  const reading = await history.messages();
  const { filters, isJson, last, redis, sinceMs, untilMs } = options;
  if (reading === null) {
    const advice = 'give a broker a history_filter, or name another redis_prefix';
    io.error(`Error: there is no history below ${redis.prefix}: ${advice}\n`);
    return NO_HISTORY;
  }
  const query: HistoryQuery = {
    filters,
    sinceMs,
    untilMs,
    takenUntilMs: Number.POSITIVE_INFINITY,
    isWanted: () => true,
  };
  const show = isJson ? jsonOfMessage : lineOfMessage;
  if (last > 0) {
    const { isCut, messages, scanned } = await reading.last(query, last, SCAN_MAX);
    for (const message of messages) await io.out(show(message));
    if (isCut) {
      const found = `${messages.length} of ${last} found in the last ${scanned} messages`;
      io.error(`Warning: not all was looked at: ${found}; ask for less, or with --since\n`);
    }
    return 0;
  }
  // What comes while it prints is left out.
  const endMs = Math.min(untilMs, io.clock.wallMs());
  const cursor = reading.cursor({ ...query, untilMs: endMs });
  for (;;) {
    const messages = await cursor.next(STEP_BYTES);
    if (messages.length === 0) return 0;
    for (const message of messages) await io.out(show(message));
  }
}

async function printEvents(
  history: ReadOnlyHistory,
  { isJson, last, sinceMs, untilMs }: HistoryOptions,
  io: HistoryIo,
): Promise<void> {
  const show = isJson ? jsonOfEvent : lineOfEvent;
  for await (const events of history.events(sinceMs, untilMs, last)) {
    for (const event of events) await io.out(show(event));
  }
}

/** As `mosquitto_sub -v` prints, behind the time. */
function lineOfMessage({ record, timeMs, topic }: HistoryMessage): Buffer {
  const { payload } = decodeRecord(record);
  return Buffer.concat([Buffer.from(`${timeText(timeMs)} ${topic} `), payload, lineEnd]);
}

function jsonOfMessage({ record, timeMs, topic }: HistoryMessage): string {
  const { isV5, payload, properties, publisherId, qos, retain } = decodeRecord(record);
  const { correlationData, ...rest } = isV5
    ? decodeMessageProperties(properties, 0, properties.length)
    : {};
  const shown = {
    time: timeText(timeMs),
    topic,
    qos,
    retain,
    publisher: publisherId,
    ...(isUtf8(payload)
      ? { payload: payload.toString() }
      : { payloadBase64: payload.toString('base64') }),
    ...rest,
    ...(correlationData === undefined
      ? {}
      : { correlationBase64: correlationData.toString('base64') }),
  };
  return `${JSON.stringify(shown)}\n`;
}

function lineOfEvent({ fields, timeMs }: PresenceEvent): string {
  const { type, time, ...rest } = fields;
  const texts = Object.entries(rest).map(([name, value]) => `${name}=${quoted(value)}`);
  return `${timeText(Number(time ?? timeMs))} ${[type, ...texts].join(' ')}\n`;
}

function jsonOfEvent({ fields, timeMs }: PresenceEvent): string {
  return `${JSON.stringify({ ...fields, time: timeText(Number(fields.time ?? timeMs)) })}\n`;
}

/** Whatever a client says of itself stays in one word of one line. */
function quoted(text: string): string {
  return /^[\x21\x23-\x7e]+$/.test(text) ? text : JSON.stringify(text);
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

/** The real thing: this process. */
export function processHistoryIo(): HistoryIo {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The reader has had enough: `| head`.
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  return {
    out: (bytes) =>
      process.stdout.write(bytes)
        ? Promise.resolve()
        : new Promise((resolve) => process.stdout.once('drain', resolve)),
    error: (text) => process.stderr.write(text),
    environment: process.env,
    clock: systemClock,
  };
}
