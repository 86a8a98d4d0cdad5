/** How fast a Redis server answers, measured and by its own word. */
import type { Connection } from './connection.js';
import { unlessRefused } from './facts.js';
import { type Finding, found } from './finding.js';
import { SILENCE_MS } from './tuning.js';

/** Round trips that are measured … */
const PINGS = 100;
/** … after some that are not: this process' first ones are slow. */
const PINGS_BEFORE = 10;
/** Milliseconds that measuring may take. */
const MEASURE_MS = 2_000;
const SLOWLOG_ENTRIES = 128;
/** Slower ones are named, in milliseconds. */
const SLOW_MS = 100;
const RECENT_SECONDS = 24 * 3_600;
const MEDIAN_MS_MAX = 10;
const WORST_MS_MAX = SILENCE_MS / 4;

export interface Latency {
  /** In milliseconds. */
  readonly medianMs: number;
  readonly worstMs: number;
  /** The slowest command of the last day that took long; null: none, or it is not told. */
  readonly slow: SlowEvent | null;
  /** Other events of the last day that took long; where its latency monitor is on. */
  readonly events: readonly SlowEvent[];
}

export interface SlowEvent {
  readonly name: string;
  readonly ms: number;
  readonly secondsAgo: number;
}

/** @param nowMs with fractions */
export async function measureLatency(
  connection: Connection,
  nowMs: () => number,
): Promise<Latency> {
  const trips: number[] = [];
  for (let index = 0; index < PINGS_BEFORE; index++) await connection.command('PING');
  const endMs = nowMs() + MEASURE_MS;
  for (let index = 0; index < PINGS && nowMs() < endMs; index++) {
    const startMs = nowMs();
    await connection.command('PING');
    trips.push(nowMs() - startMs);
  }
  trips.sort((a, b) => a - b);
  const seconds = await serverSeconds(connection);
  const isRecent = ({ ms, secondsAgo }: SlowEvent) => ms >= SLOW_MS && secondsAgo < RECENT_SECONDS;
  const commands = await slowCommands(connection, seconds);
  const slowest = commands.filter(isRecent).sort((a, b) => b.ms - a.ms)[0];
  return {
    medianMs: trips[Math.floor(trips.length / 2)]!,
    worstMs: trips.at(-1)!,
    slow: slowest ?? null,
    events: (await slowEvents(connection, seconds)).filter(isRecent),
  };
}

export function inspectLatency({ events, medianMs, slow, worstMs }: Latency): Finding[] {
  return found([
    worstMs > WORST_MS_MAX
      ? {
          level: 'warning',
          name: 'latency',
          what: `a round trip took ${Math.round(worstMs)} ms`,
          why: `after ${SILENCE_MS} ms the broker takes a server for dead, and writes wait`,
          todo: 'see what stops it: swapping, snapshots, slow commands, the network',
        }
      : null,
    medianMs > MEDIAN_MS_MAX
      ? {
          level: 'advice',
          name: 'latency',
          what: `a usual round trip takes ${Math.round(medianMs)} ms`,
          why: 'each acknowledgement takes at least one, and with replicas one more',
          todo: 'run the broker near its Redis',
        }
      : null,
    slow === null
      ? null
      : {
          level: 'advice',
          name: 'slowlog',
          what: `${slow.name} took ${slow.ms} ms, ${agoText(slow.secondsAgo)}`,
          why: 'nothing else is served meanwhile',
          todo: 'see SLOWLOG GET: keep KEYS and large reads away from this server',
        },
    ...events.map(
      ({ ms, name, secondsAgo }): Finding => ({
        level: 'advice',
        name: 'latency-event',
        what: `${name} took ${ms} ms, ${agoText(secondsAgo)}`,
        why: 'nothing else is served meanwhile',
        todo: 'see LATENCY DOCTOR: the disk, transparent huge pages, or the size of the data',
      }),
    ),
  ]);
}

function agoText(seconds: number): string {
  if (seconds < 120) return `${seconds} s ago`;
  return seconds < 7_200
    ? `${Math.round(seconds / 60)} minutes ago`
    : `${Math.round(seconds / 3_600)} hours ago`;
}

async function serverSeconds(connection: Connection): Promise<number> {
  const reply = await unlessRefused(connection.command('TIME'));
  return Array.isArray(reply) ? Number(reply[0]) : Number.NaN;
}

/** `[id, time, microseconds, [name, argument…], …]` each; arguments are nobody's business. */
async function slowCommands(connection: Connection, seconds: number): Promise<SlowEvent[]> {
  const command = connection.command('SLOWLOG', 'GET', String(SLOWLOG_ENTRIES));
  return rowsOf(await unlessRefused(command)).map(([, time, micros, words]) => ({
    name: String(Array.isArray(words) ? words[0] : words)
      .toUpperCase()
      .slice(0, 32),
    ms: Math.round(Number(micros) / 1_000),
    secondsAgo: seconds - Number(time),
  }));
}

/** `[event, time, latest ms, greatest ms]` each. */
async function slowEvents(connection: Connection, seconds: number): Promise<SlowEvent[]> {
  const reply = await unlessRefused(connection.command('LATENCY', 'LATEST'));
  return rowsOf(reply).map(([name, time, latestMs]) => ({
    name: `the event ${String(name)}`,
    ms: Number(latestMs),
    secondsAgo: seconds - Number(time),
  }));
}

function rowsOf(reply: unknown): (readonly unknown[])[] {
  return Array.isArray(reply) ? (reply as unknown[]).filter((row) => Array.isArray(row)) : [];
}
