/** How a Redis server is: what fails, what is full, what is slow. */
import type { ServerFacts } from './facts.js';
import { type Finding, found } from './finding.js';
import type { InfoFields } from './info.js';
import { SILENCE_MS } from './tuning.js';

const FORK_MS_MAX = 100;

export function inspectState({ config, info }: ServerFacts): Finding[] {
  return found([
    loading(info),
    appendWrite(info),
    appendRewrite(info),
    snapshot(info, config),
    evicted(info),
    clients(info),
    slowDisk(info),
    slowFork(info),
  ]);
}

function loading(info: InfoFields): Finding | null {
  if (info.text('loading') !== '1') return null;
  const seconds = info.number('loading_eta_seconds');
  return {
    level: 'error',
    name: 'loading',
    what: `it is loading its data${seconds >= 0 ? `, for another ${seconds} s or so` : ''}`,
    why: 'it serves nothing until then',
    todo: 'wait; if it comes often, see why it restarts',
  };
}

function appendWrite(info: InfoFields): Finding | null {
  if (info.text('aof_enabled') !== '1' || info.text('aof_last_write_status') !== 'err') return null;
  return {
    level: 'error',
    name: 'aof-write',
    what: 'the last write to the append-only file failed',
    why: 'Redis refuses writes (MISCONF) until the disk takes them',
    todo: 'make room on its disk, or see why it fails',
  };
}

function appendRewrite(info: InfoFields): Finding | null {
  if (info.text('aof_last_bgrewrite_status') !== 'err') return null;
  return {
    level: 'warning',
    name: 'aof-rewrite',
    what: 'the append-only file could not be written anew',
    why: 'it grows until the disk is full, and a start takes ever longer',
    todo: 'see its log: room on the disk, or memory for the copy (vm.overcommit_memory 1)',
  };
}

function snapshot(info: InfoFields, config: InfoFields | null): Finding | null {
  if (info.text('rdb_last_bgsave_status') !== 'err') return null;
  const stops =
    config !== null &&
    config.text('save') !== '' &&
    config.text('stop-writes-on-bgsave-error') === 'yes';
  return {
    level: stops ? 'error' : 'warning',
    name: 'rdb-save',
    what: 'the last snapshot failed',
    why: stops
      ? 'Redis refuses writes (MISCONF) until one succeeds'
      : 'the data are copied to new replicas in the same way',
    todo: 'see its log: room on the disk, or memory for the copy (vm.overcommit_memory 1)',
  };
}

function evicted(info: InfoFields): Finding | null {
  const count = info.number('evicted_keys');
  if (!(count > 0)) return null;
  return {
    level: 'error',
    name: 'evicted-keys',
    what: `it has deleted ${count} keys for want of memory since it started`,
    why: 'sessions or their messages may have been among them',
    todo: 'set maxmemory-policy noeviction and raise maxmemory; a restart sets the count to 0',
  };
}

function clients(info: InfoFields): Finding | null {
  const max = info.number('maxclients');
  const count = info.number('connected_clients');
  if (!(count > max * 0.8)) return null;
  return {
    level: 'warning',
    name: 'maxclients',
    what: `${count} of at most ${max} clients are connected`,
    why: 'beyond that a broker cannot connect again after its connection broke',
    todo: 'raise maxclients (and the limit of open files), or see who connects',
  };
}

/** Counted with `appendfsync everysec`, when a write had to wait for the sync before. */
function slowDisk(info: InfoFields): Finding | null {
  const count = info.number('aof_delayed_fsync');
  const hours = info.number('uptime_in_seconds') / 3_600;
  if (!(count > Math.max(1, hours))) return null;
  return {
    level: 'advice',
    name: 'aof-delayed-fsync',
    what: `writes waited for the disk ${count} times since it started`,
    why: 'acknowledgements waited with them',
    todo: 'give the append-only file a faster disk, or one of its own',
  };
}

function slowFork(info: InfoFields): Finding | null {
  const ms = Math.round(info.number('latest_fork_usec') / 1_000);
  if (!(ms > FORK_MS_MAX)) return null;
  return {
    level: ms > SILENCE_MS ? 'warning' : 'advice',
    name: 'fork-time',
    what: `its last fork, for a snapshot or a rewrite, took ${ms} ms`,
    why: `it serves nothing meanwhile, and after ${SILENCE_MS} ms the broker takes it for dead`,
    todo: 'switch transparent huge pages off, or spread the data over more primaries',
  };
}
