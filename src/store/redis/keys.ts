/**
 * Names of the keys. What is between the braces decides the hash slot, so all keys of a session
 * are in one.
 *
 *     tw:{<clientId>}:s   hash    header `h`, client, expiry, will, subscriptions, writers
 *     tw:{<clientId>}:q   stream  queue; entry <last seq>-<count>: d = messages; b = bytes before
 *                                 them, where there is a limit
 *     tw:{<clientId>}:r   hash    inbound QoS 2 identifiers, released outbound numbers
 *     tw:{<clientId>}:d   hash    last QoS 2 message of each publisher
 *     tw:{map:<k>}:m      hash    shard k of durable subscriptions and retained messages
 *     tw:{map:<k>}:log    stream  its changes
 *     tw:{map:<k>}:w      hash    its writers
 *     tw:{x:<k>}:z        zset    offline sessions by when they are due: end or will; `:w:<writer>`
 *                                 string, last call
 *     tw:{node:<id>}:own  set     sessions whose clients are connected to a broker; `:w:<writer>`
 *                                 string, last call
 *     tw:{node:<id>}:in   stream  its inbox
 *     tw:{node:<id>}:due  hash    messages that others get if it dies; `#` last call
 *     tw:{node:<id>}:alive        made when it joins, deleted when it is dead: nothing is sent then
 *     tw:{nodes}          zset    live brokers by the end of their lease
 *     tw:{nodes}:dead     hash    dead ones that have not been worked off
 *     tw:{nodes}:seen     hash    version of the list that each broker knows; `#` version, `@` time
 *     tw:{hist}:meta      hash    partitions and format of the history
 *     tw:{hist:<p>}:<qos> stream  messages of partition p, see history/scripts.ts; `:c` hash
 *                                 counters; `:w:<writer>` string, last call
 *     tw:{events}:log     stream  presence events; `:w:<writer>` string, last call
 *     tw:{<tag>}:run      string  made when a primary was first seen: gone means that it lost all
 */
import { BrokerError } from '../../base/errors.js';
import { slotOf } from './slot.js';
import { SHARDS } from './tuning.js';

const SPECIAL = /[%{}]/g;
export const MEMBERS_TAG = 'nodes';
export const HISTORY_TAG = 'hist';
export const EVENTS_TAG = 'events';

export class Keys {
  private readonly prefix: string;

  /** @throws BrokerError `REDIS_PREFIX` for a prefix that would decide the slot itself */
  constructor(prefix: string) {
    if (/[{}]/.test(prefix)) {
      const detail = `redis_prefix ${prefix}: braces would put all keys in one slot; omit them`;
      throw new BrokerError('REDIS_PREFIX', detail);
    }
    this.prefix = prefix;
  }

  session(tag: string, part: 's' | 'q' | 'r' | 'd'): string {
    return `${this.prefix}{${tag}}:${part}`;
  }

  map(shard: number, part: 'm' | 'log' | 'w'): string {
    return `${this.prefix}{${mapTag(shard)}}:${part}`;
  }

  offline(shard: number, part: 'z' | `w:${string}`): string {
    return `${this.prefix}{${offlineTag(shard)}}:${part}`;
  }

  owned(node: string, part: 'own' | `w:${string}`): string {
    return `${this.prefix}{${nodeTag(node)}}:${part}`;
  }

  inbox(node: string, part: 'in' | 'alive' | 'due'): string {
    return `${this.prefix}{${nodeTag(node)}}:${part}`;
  }

  /** Not `:d`: a client may be called `nodes`. */
  members(part: 'live' | 'dead' | 'seen'): string {
    const key = `${this.prefix}{${MEMBERS_TAG}}`;
    return part === 'live' ? key : `${key}:${part}`;
  }

  /** @param part `c`, a QoS, or `w:<writer>` */
  history(partition: number, part: string): string {
    return `${this.prefix}{${historyTag(partition)}}:${part}`;
  }

  historyMeta(): string {
    return `${this.prefix}{${HISTORY_TAG}}:meta`;
  }

  /** @param part `log`, or `w:<writer>` */
  events(part: string): string {
    return `${this.prefix}{${EVENTS_TAG}}:${part}`;
  }

  run(tag: string): string {
    return `${this.prefix}{${tag}}:run`;
  }
}

/** A client identifier as a hash tag: braces would end it early, or leave it empty. */
export function sessionTag(clientId: string): string {
  // An empty tag is none: the whole key would decide.
  if (clientId === '') return '%';
  return clientId.replace(SPECIAL, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

export function mapTag(shard: number): string {
  return `map:${shard}`;
}

export function offlineTag(shard: number): string {
  return `x:${shard}`;
}

export function nodeTag(node: string): string {
  return `node:${sessionTag(node)}`;
}

export function historyTag(partition: number): string {
  return `hist:${partition}`;
}

/** The shard of a client's subscriptions, of its deadline, or of a topic's retained message. */
export function shardOf(name: string): number {
  return slotOf(name) % SHARDS;
}
