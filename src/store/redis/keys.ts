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
 *     tw:{x:<k>}:z        zset    offline sessions by the end of their life
 *     tw:{node:<id>}:own  set     sessions whose clients are connected to a broker
 *     tw:{<tag>}:run      string  made when a primary was first seen: gone means that it lost all
 */
import { BrokerError } from '../../base/errors.js';
import { slotOf } from './slot.js';
import { SHARDS } from './tuning.js';

const SPECIAL = /[%{}]/g;

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

  offline(shard: number): string {
    return `${this.prefix}{${offlineTag(shard)}}:z`;
  }

  owned(node: string): string {
    return `${this.prefix}{${nodeTag(node)}}:own`;
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

/** The shard of a client's subscriptions, of its deadline, or of a topic's retained message. */
export function shardOf(name: string): number {
  return slotOf(name) % SHARDS;
}
