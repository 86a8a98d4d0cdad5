/** From the configuration to a store. What a store is built on is loaded only when it is used. */
import { chownSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { unreachable } from './base/assert.js';
import type { Clock } from './base/clock.js';
import { BrokerError, messageOf } from './base/errors.js';
import type { Log } from './base/log.js';
import type { RedisStoreConfig, RedisTlsConfig, StoreConfig } from './config/config.js';
import type { FabricTimes } from './store/redis/fabric/fabric-home.js';
import type { RedisStoreOptions, RedisTls } from './store/redis/options.js';
import { LEASE_MARGIN_MS, MEMBER_TICK_MS } from './store/redis/tuning.js';
import type { Store } from './store/store.js';

export type MakeStore = (clock: Clock, log: Log) => Store;

/**
 * Null: sessions and retained messages live in memory, and end with the process.
 *
 * @throws BrokerError `STORE_TLS` for a file that cannot be read
 */
export async function storeMaker(config: StoreConfig): Promise<MakeStore | null> {
  switch (config.kind) {
    case 'memory':
      return null;
    case 'disk': {
      const { DiskStore } = await import('./store/disk/disk-store.js');
      const { folder, sync } = config;
      return (clock, log) => new DiskStore({ folder, sync, clock, log });
    }
    case 'redis': {
      const { RedisStore } = await import('./store/redis/redis-store.js');
      const options = redisOptions(config);
      return (clock, log) => new RedisStore({ ...options, clock, log });
    }
    default:
      return unreachable(config);
  }
}

/** A process that gives up root's rights must still be able to write its folder. */
export function giveStoreTo(config: StoreConfig, uid: number, gid: number): void {
  if (config.kind !== 'disk') return;
  const { folder } = config;
  chownSync(folder, uid, gid);
  for (const name of readdirSync(folder)) chownSync(join(folder, name), uid, gid);
}

/** @throws BrokerError `STORE_TLS` for a file that cannot be read */
export function redisOptions(config: RedisStoreConfig): Omit<RedisStoreOptions, 'clock' | 'log'> {
  const { nodes, username, password, tls, prefix, ackLevel, nodeName, leaseS } = config;
  return {
    nodes: nodes.map(({ host, port }) => [host, port]),
    username,
    password,
    tls: tls === null ? null : redisTls(tls),
    prefix,
    ackLevel,
    nodeName,
    fabricTimes: timesOf(leaseS * 1000),
  };
}

function redisTls({ caFile, caPath, certFile, keyFile, insecure }: RedisTlsConfig): RedisTls {
  const authorities = [
    ...(caFile === null ? [] : [readFile('redis_tls_cafile', caFile)]),
    ...(caPath === null ? [] : readFolder('redis_tls_capath', caPath)),
  ];
  return {
    ...(authorities.length === 0 ? {} : { ca: Buffer.concat(authorities) }),
    ...(certFile === null ? {} : { cert: readFile('redis_tls_certfile', certFile) }),
    ...(keyFile === null ? {} : { key: readFile('redis_tls_keyfile', keyFile) }),
    rejectUnauthorized: !insecure,
  };
}

function readFolder(key: string, path: string): Buffer[] {
  try {
    return readdirSync(path).map((name) => readFile(key, join(path, name)));
  } catch (error) {
    if (error instanceof BrokerError) throw error;
    throw cannotRead(key, path, error);
  }
}

/** With an end of line, so that certificates can be joined. */
function readFile(key: string, path: string): Buffer {
  try {
    return Buffer.concat([readFileSync(path), Buffer.from('\n')]);
  } catch (error) {
    throw cannotRead(key, path, error);
  }
}

function cannotRead(key: string, path: string, cause: unknown): BrokerError {
  return new BrokerError('STORE_TLS', `${key} ${path}: ${messageOf(cause)}`, { cause });
}

/** A short lease leaves less room for everything. */
function timesOf(leaseMs: number): Pick<FabricTimes, 'leaseMs' | 'tickMs' | 'marginMs'> {
  const tickMs = Math.min(MEMBER_TICK_MS, leaseMs / 5);
  return { leaseMs, tickMs, marginMs: Math.min(LEASE_MARGIN_MS, leaseMs / 4) };
}
