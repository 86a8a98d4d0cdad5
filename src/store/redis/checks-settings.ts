/** What a Redis server's settings should be, and why. */
import { isReplica, type ServerFacts } from './facts.js';
import { type Finding, found, sizeText } from './finding.js';
import { type InfoFields, onlineReplicas } from './info.js';
import { SILENCE_MS } from './tuning.js';

const MIB = 1024 * 1024;
const BACKLOG_BYTES_MIN = 32 * MIB;
const OUTPUT_BYTES_MIN = 256 * MIB;
const NORMAL_BYTES_MIN = 64 * MIB;
const NODE_TIMEOUT_MS_MAX = 15_000;

export function inspectSettings(facts: ServerFacts, config: InfoFields): Finding[] {
  const { ackLevel, info } = facts;
  return found([
    memoryPolicy(config),
    memoryLimit(config, info),
    appendOnly(config, info),
    fsync(config, ackLevel === 'aof'),
    fsyncOnRewrite(config),
    backlog(config, info),
    replicaBuffer(config, info),
    normalBuffer(config),
    streamNodes(config),
    ...(info.text('cluster_enabled') === '1' ? clusterSettings(config, info) : []),
  ]);
}

function memoryPolicy(config: InfoFields): Finding | null {
  const policy = config.text('maxmemory-policy');
  if (policy === 'noeviction') return null;
  return {
    level: config.number('maxmemory') > 0 ? 'error' : 'warning',
    name: 'maxmemory-policy',
    what: `maxmemory-policy is ${policy}`,
    why: 'at maxmemory Redis would delete sessions and their messages',
    todo: 'set maxmemory-policy noeviction: then writes wait',
  };
}

function memoryLimit(config: InfoFields, info: InfoFields): Finding | null {
  const limit = config.number('maxmemory');
  const used = info.number('used_memory');
  const total = info.number('total_system_memory');
  const name = 'maxmemory';
  if (!(limit > 0)) {
    const isMuch = info.number('used_memory_rss') > total * 0.5;
    return {
      level: isMuch ? 'warning' : 'advice',
      name,
      what: isMuch ? 'maxmemory is 0, and half of the memory is used' : 'maxmemory is 0',
      why: 'Redis grows until the system kills it; at a limit, writes wait instead',
      todo: 'set maxmemory to about half of what the machine has for it: copies need room, too',
    };
  }
  if (used >= limit * 0.8) {
    return {
      level: 'warning',
      name,
      what: `${Math.round((used / limit) * 100)} % of maxmemory (${sizeText(limit)}) is used`,
      why: 'at 100 % all writes wait, and with them the publishers',
      todo: 'raise it, add primaries, or limit the queues (max_queued_messages)',
    };
  }
  if (!(limit > total)) return null;
  return {
    level: 'warning',
    name,
    what: `maxmemory is ${sizeText(limit)}, and the machine has ${sizeText(total)}`,
    why: 'the system kills Redis before the limit is reached',
    todo: 'set maxmemory to about half of what the machine has for it',
  };
}

function appendOnly(config: InfoFields, info: InfoFields): Finding | null {
  if (config.text('appendonly') === 'yes') return null;
  const isAlone = !isReplica(info) && onlineReplicas(info) === 0;
  return {
    level: isAlone ? 'error' : 'warning',
    name: 'appendonly',
    what: 'appendonly is no',
    why: 'after a restart by itself it has no sessions, and empties its replicas',
    todo: 'set appendonly yes',
  };
}

function fsync(config: InfoFields, isAckedByAof: boolean): Finding | null {
  const policy = config.text('appendfsync');
  if (config.text('appendonly') !== 'yes') return null;
  const name = 'appendfsync';
  if (policy === 'no') {
    return {
      level: 'warning',
      name,
      what: 'appendfsync is no',
      why: isAckedByAof
        ? 'acknowledgements wait until the system happens to write, up to half a minute'
        : 'a loss of power may take the last half minute',
      todo: `set appendfsync ${isAckedByAof ? 'always' : 'everysec'}`,
    };
  }
  if (policy !== 'everysec' || !isAckedByAof) return null;
  return {
    level: 'advice',
    name,
    what: 'appendfsync is everysec, and ack_level is aof',
    why: 'every acknowledgement waits for the next sync, up to a second or two',
    todo: 'set appendfsync always, or ack_level replica',
  };
}

function fsyncOnRewrite(config: InfoFields): Finding | null {
  if (config.text('appendonly') !== 'yes') return null;
  if (config.text('no-appendfsync-on-rewrite') !== 'yes') return null;
  return {
    level: 'advice',
    name: 'no-appendfsync-on-rewrite',
    what: 'no-appendfsync-on-rewrite is yes',
    why: 'while the file is written anew nothing is synced, for minutes on a large server',
    todo: 'set no-appendfsync-on-rewrite no',
  };
}

function backlog(config: InfoFields, info: InfoFields): Finding | null {
  const bytes = config.number('repl-backlog-size');
  if (!hasReplication(info) || !(bytes < BACKLOG_BYTES_MIN)) return null;
  return {
    level: 'advice',
    name: 'repl-backlog-size',
    what: `repl-backlog-size is ${sizeText(bytes)}`,
    why: 'a busy server copies everything to a replica that was away for a moment',
    todo: `set repl-backlog-size ${BACKLOG_BYTES_MIN / MIB}mb or more`,
  };
}

/** `class hard soft seconds`, for each class. */
function replicaBuffer(config: InfoFields, info: InfoFields): Finding | null {
  const hard = outputLimit(config, '(?:slave|replica)');
  if (!hasReplication(info) || hard === 0 || hard >= OUTPUT_BYTES_MIN) return null;
  return {
    level: 'advice',
    name: 'client-output-buffer-limit',
    what: `client-output-buffer-limit replica is ${sizeText(hard)}`,
    why: 'a busy server cuts its replica off again and again, which then copies everything',
    todo: 'set client-output-buffer-limit replica 256mb 64mb 60, or more',
  };
}

function normalBuffer(config: InfoFields): Finding | null {
  const hard = outputLimit(config, 'normal');
  if (hard === 0 || hard >= NORMAL_BYTES_MIN) return null;
  return {
    level: 'advice',
    name: 'client-output-buffer-limit',
    what: `client-output-buffer-limit normal is ${sizeText(hard)}`,
    why: 'a broker that reads a large message, or many at its start, is cut off',
    todo: 'set client-output-buffer-limit normal 0 0 0',
  };
}

/** 0: none, or not known. */
function outputLimit(config: InfoFields, kind: string): number {
  const text = config.text('client-output-buffer-limit');
  const match = new RegExp(`${kind} (\\d+) \\d+ \\d+`).exec(text);
  return match === null ? 0 : Number(match[1]);
}

function streamNodes(config: InfoFields): Finding | null {
  const bytes = config.number('stream-node-max-bytes');
  if (!(bytes > 0) || bytes <= 4096) return null;
  return {
    level: 'advice',
    name: 'stream-node-max-bytes',
    what: `stream-node-max-bytes is ${bytes}`,
    why: 'each queue takes that much, however little is in it',
    todo: 'set stream-node-max-bytes 4096, or 1024 for many small queues',
  };
}

function clusterSettings(config: InfoFields, info: InfoFields): (Finding | null)[] {
  const timeoutMs = config.number('cluster-node-timeout');
  return [
    config.text('cluster-require-full-coverage') !== 'yes'
      ? null
      : {
          level: 'advice',
          name: 'cluster-require-full-coverage',
          what: 'cluster-require-full-coverage is yes',
          why: 'when one primary and its replicas are gone, the others refuse everything, too',
          todo: 'set cluster-require-full-coverage no: then only sessions of those slots wait',
        },
    timeoutMs > NODE_TIMEOUT_MS_MAX
      ? {
          level: 'advice',
          name: 'cluster-node-timeout',
          what: `cluster-node-timeout is ${timeoutMs} ms`,
          why: 'a replica takes over only after that, and meanwhile publishers wait',
          todo: 'set cluster-node-timeout 5000, or what a pause on your network needs',
        }
      : null,
    timeoutMs < SILENCE_MS
      ? {
          level: 'warning',
          name: 'cluster-node-timeout',
          what: `cluster-node-timeout is ${timeoutMs} ms`,
          why: 'a primary that pauses for a moment is replaced; each time writes may be repeated',
          todo: 'set cluster-node-timeout 5000, and not below 1000',
        }
      : null,
    isReplica(info) && config.text('cluster-replica-no-failover') === 'yes'
      ? {
          level: 'warning',
          name: 'cluster-replica-no-failover',
          what: 'cluster-replica-no-failover is yes',
          why: 'this replica never takes over from its primary by itself',
          todo: 'set cluster-replica-no-failover no',
        }
      : null,
  ];
}

/** Settings of replication matter on both sides: a replica is the next primary. */
function hasReplication(info: InfoFields): boolean {
  return isReplica(info) || info.number('connected_slaves') > 0;
}
