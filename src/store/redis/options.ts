/** What the Redis store is told. */
import type { Clock } from '../../base/clock.js';
import type { Log } from '../../base/log.js';
import type { FabricTimes } from './fabric/fabric-home.js';

/** As `tls.connect` takes it. */
export interface RedisTls {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly passphrase?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/**
 * When a write is safe: `primary`: it is in the primary's memory; `replica`: also in that of one
 * replica; `aof`: in the primary's append-only file, fsynced (Redis 7.2).
 */
export type AckLevel = 'primary' | 'replica' | 'aof';

export interface RedisStoreOptions {
  /** Some nodes of the cluster, or the one server: host and port. */
  readonly nodes: readonly (readonly [host: string, port: number])[];
  readonly username: string | null;
  readonly password: string | null;
  readonly tls: RedisTls | null;
  /** Of all keys; without braces. */
  readonly prefix: string;
  /** Null: `replica` where the primary has replicas, else `primary`. */
  readonly ackLevel: AckLevel | null;
  /**
   * Of this broker alone, and the same after a restart: then its sessions are known to be
   * disconnected at once.
   */
  readonly nodeName: string;
  /** For tests; default: those of `tuning.ts`. */
  readonly fabricTimes?: Partial<FabricTimes>;
  readonly clock: Clock;
  readonly log: Log;
}
