/**
 * What a careful operator would look at in a Redis server that keeps a broker's sessions, and what
 * to change. For the warnings at the start and for a command that people run.
 */

import { type InfoFields, versionNumber } from './info.js';
import type { AckLevel } from './options.js';

export interface Finding {
  /** `error`: messages will be lost; `warning`: they may be; `advice`: it could be better. */
  readonly level: 'error' | 'warning' | 'advice';
  /** Stable, for tests and scripts: `maxmemory-policy`. */
  readonly name: string;
  /** What is so, why it matters, what to do. One line. */
  readonly detail: string;
}

/** What one server says of itself. */
export interface ServerFacts {
  readonly info: InfoFields;
  /** Null: CONFIG is not allowed. */
  readonly config: InfoFields | null;
  readonly ackLevel: AckLevel | null;
}

const MIB = 1024 * 1024;
const BACKLOG_BYTES_MIN = 32 * MIB;
const OUTPUT_BYTES_MIN = 256 * MIB;

/** Names of the settings that `inspect` looks at. */
export const inspectedSettings = [
  'maxmemory',
  'maxmemory-policy',
  'appendonly',
  'appendfsync',
  'repl-backlog-size',
  'client-output-buffer-limit',
  'repl-diskless-load',
  'stream-node-max-bytes',
  'min-replicas-to-write',
] as const;

export function inspect(facts: ServerFacts): Finding[] {
  const { config, info } = facts;
  const findings = [version(info), replicas(facts)];
  if (config === null) {
    const detail = 'CONFIG is not allowed here, so its settings were not looked at';
    findings.push({ level: 'advice', name: 'config', detail });
  } else {
    findings.push(
      memoryPolicy(config),
      memoryLimit(config, info),
      appendOnly(config, info),
      fsync(config),
      backlog(config, info),
      outputBuffer(config, info),
      streamNodes(config),
    );
  }
  return findings.filter((finding) => finding !== null);
}

function version(info: InfoFields): Finding | null {
  const text = info.text('redis_version');
  if (versionNumber(text) >= versionNumber('7.0.0')) return null;
  const detail = `Redis ${text} is too old: 7.0 is the oldest that works`;
  return { level: 'error', name: 'version', detail };
}

function replicas({ ackLevel, info }: ServerFacts): Finding | null {
  const count = info.number('connected_slaves');
  if (count > 0) return null;
  if (ackLevel === 'replica') {
    const detail = 'no replica, and ack_level is replica: writes wait until one is connected';
    return { level: 'error', name: 'replicas', detail };
  }
  const detail =
    'no replica: what is acknowledged is lost with this server; add one, then acknowledgements ' +
    'wait for it';
  return { level: 'warning', name: 'replicas', detail };
}

function memoryPolicy(config: InfoFields): Finding | null {
  const policy = config.text('maxmemory-policy');
  if (policy === 'noeviction') return null;
  const hasLimit = config.number('maxmemory') > 0;
  const detail = `maxmemory-policy is ${policy}: Redis would delete sessions; set noeviction`;
  return { level: hasLimit ? 'error' : 'warning', name: 'maxmemory-policy', detail };
}

function memoryLimit(config: InfoFields, info: InfoFields): Finding | null {
  const limit = config.number('maxmemory');
  const used = info.number('used_memory');
  if (!(limit > 0) || used < limit * 0.8) return null;
  const percent = Math.round((used / limit) * 100);
  const detail = `${percent} % of maxmemory is used: at 100 % writes wait; raise it`;
  return { level: 'warning', name: 'maxmemory', detail };
}

function appendOnly(config: InfoFields, info: InfoFields): Finding | null {
  if (config.text('appendonly') === 'yes') return null;
  const isAlone = !(info.number('connected_slaves') > 0);
  const detail =
    'appendonly is no: a server that restarts by itself comes back without its sessions, and ' +
    'empties its replicas; set appendonly yes';
  return { level: isAlone ? 'error' : 'warning', name: 'appendonly', detail };
}

function fsync(config: InfoFields): Finding | null {
  if (config.text('appendonly') !== 'yes' || config.text('appendfsync') !== 'no') return null;
  const detail = 'appendfsync is no: a power failure may take half a minute; set everysec';
  return { level: 'warning', name: 'appendfsync', detail };
}

function backlog(config: InfoFields, info: InfoFields): Finding | null {
  const bytes = config.number('repl-backlog-size');
  if (!(info.number('connected_slaves') > 0) || bytes >= BACKLOG_BYTES_MIN) return null;
  const detail =
    `repl-backlog-size is ${Math.round(bytes / MIB)} MiB: a busy server copies everything to a ` +
    `replica that was away for a moment; set ${BACKLOG_BYTES_MIN / MIB}mb or more`;
  return { level: 'advice', name: 'repl-backlog-size', detail };
}

/** `class hard soft seconds`, for each class. */
function outputBuffer(config: InfoFields, info: InfoFields): Finding | null {
  const match = /(?:slave|replica) (\d+) (\d+) (\d+)/.exec(
    config.text('client-output-buffer-limit'),
  );
  if (match === null || !(info.number('connected_slaves') > 0)) return null;
  const hard = Number(match[1]);
  if (hard === 0 || hard >= OUTPUT_BYTES_MIN) return null;
  const detail =
    `client-output-buffer-limit replica is ${Math.round(hard / MIB)} MiB: a busy server cuts its ` +
    'replica off again and again; set 256mb 64mb 60 or more';
  return { level: 'advice', name: 'client-output-buffer-limit', detail };
}

function streamNodes(config: InfoFields): Finding | null {
  const bytes = config.number('stream-node-max-bytes');
  if (!(bytes > 0) || bytes <= 4096) return null;
  const detail = `stream-node-max-bytes is ${bytes}: each queue takes that much; set 4096 or less`;
  return { level: 'advice', name: 'stream-node-max-bytes', detail };
}
