/** What one server says of itself. */
import type { Connection } from './connection.js';
import { type InfoFields, parseInfo, parsePairs } from './info.js';
import type { AckLevel } from './options.js';

export interface ServerFacts {
  readonly info: InfoFields;
  /** Null: CONFIG is not allowed. */
  readonly config: InfoFields | null;
  /** As the broker is told. */
  readonly ackLevel: AckLevel | null;
  /** Null: it did not say. */
  readonly hasWaitAof: boolean | null;
}

/** Names of the settings that are looked at. */
const settings = [
  'maxmemory',
  'maxmemory-policy',
  'appendonly',
  'appendfsync',
  'no-appendfsync-on-rewrite',
  'save',
  'stop-writes-on-bgsave-error',
  'repl-backlog-size',
  'client-output-buffer-limit',
  'stream-node-max-bytes',
  'min-replicas-to-write',
  'cluster-require-full-coverage',
  'cluster-node-timeout',
  'cluster-replica-no-failover',
];

/** Rejects when not even INFO is answered. */
export async function askFacts(
  connection: Connection,
  ackLevel: AckLevel | null,
): Promise<ServerFacts> {
  const info = parseInfo(await connection.command('INFO'));
  const config = await unlessRefused(connection.command('CONFIG', 'GET', ...settings));
  const known = await unlessRefused(connection.command('COMMAND', 'INFO', 'WAITAOF'));
  return {
    info,
    config: config === null ? null : parsePairs(config),
    ackLevel,
    hasWaitAof: Array.isArray(known) ? known[0] !== null && known.length > 0 : null,
  };
}

/** Null for what Redis does not let this user do, or does not know. */
export async function unlessRefused(reply: Promise<unknown>): Promise<unknown> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return null;
    throw error;
  }
}

export function isReplica(info: InfoFields): boolean {
  return info.text('role') === 'slave';
}

/** `Redis 7.0.15`, or the name of a relative of it and what that is called: `valkey 8.1.0`. */
export function serverText(info: InfoFields): string {
  const fork = forkOf(info);
  const name = fork ?? 'redis';
  const version = info.text(`${name}_version`) || info.text('redis_version') || 'unknown';
  return `${name === 'redis' ? 'Redis' : name} ${version}`;
}

/** Null for Redis itself. Relatives say `<name>_version` beside what they are compatible with. */
export function forkOf(info: InfoFields): string | null {
  const named = info.text('server_name');
  if (named !== '' && named !== 'redis') return named;
  for (const field of info.names()) {
    const name = /^([a-z]+)_version$/.exec(field)?.[1];
    if (name !== undefined && name !== 'redis' && name !== 'gcc') return name;
  }
  return null;
}
