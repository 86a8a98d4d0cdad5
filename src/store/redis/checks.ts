/**
 * What a careful operator would look at in a Redis server that keeps a broker's sessions, and what
 * to change. For the warnings at the start and for `tidewire redis-check`.
 */
import { inspectReplication } from './checks-replication.js';
import { inspectSettings } from './checks-settings.js';
import { inspectState } from './checks-state.js';
import { forkOf, isReplica, type ServerFacts, serverText } from './facts.js';
import { type Finding, found } from './finding.js';
import { type InfoFields, versionNumber } from './info.js';

/** Relatives of Redis that speak its protocol down to scripts and WAIT. */
const knownForks = ['valkey'];

/** All that is to be said about one server. */
export function inspect(facts: ServerFacts): Finding[] {
  const { config, info } = facts;
  return [
    ...found([version(info), fork(info), waitAof(facts)]),
    ...inspectReplication(facts),
    ...inspectState(facts),
    ...(config === null ? [noConfig()] : inspectSettings(facts, config)),
  ];
}

function noConfig(): Finding {
  return {
    level: 'advice',
    name: 'config',
    what: 'CONFIG is not allowed here',
    why: 'its settings were not looked at',
    todo: 'let the user do that (ACL +config|get), or ask as another one',
  };
}

function version(info: InfoFields): Finding | null {
  const text = info.text('redis_version');
  if (versionNumber(text) >= versionNumber('7.0.0')) return null;
  return {
    level: 'error',
    name: 'version',
    what: `Redis ${text} is too old`,
    why: 'the broker does not start with it',
    todo: 'take 7.0 or later',
  };
}

function fork(info: InfoFields): Finding | null {
  const name = forkOf(info);
  if (name === null || knownForks.includes(name)) return null;
  return {
    level: 'warning',
    name: 'fork',
    what: `this is ${serverText(info)}, not Redis`,
    why: 'whether its scripts, WAIT and failover do what acknowledgements rely on is not known',
    todo: 'take Redis or Valkey',
  };
}

/** What `ack_level aof` needs. */
function waitAof({ ackLevel, hasWaitAof, info }: ServerFacts): Finding | null {
  if (ackLevel !== 'aof') return null;
  const isKnown = hasWaitAof ?? versionNumber(info.text('redis_version')) >= versionNumber('7.2.0');
  if (!isKnown) {
    return {
      level: 'error',
      name: 'waitaof',
      what: `${serverText(info)} has no WAITAOF, and ack_level is aof`,
      why: 'the broker does not start with it',
      todo: 'take Redis 7.2 or later, or ack_level replica',
    };
  }
  if (info.text('aof_enabled') !== '0' || isReplica(info)) return null;
  return {
    level: 'error',
    name: 'waitaof',
    what: 'appendonly is no, and ack_level is aof',
    why: 'there is no file that an acknowledgement could wait for',
    todo: 'set appendonly yes',
  };
}
