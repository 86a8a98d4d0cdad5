/** What the links have in common: see `Cluster`. */
import type { Call } from './call.js';
import type { Address, Connection, Login } from './connection.js';
import type { Link } from './link.js';
import type { RedisStoreOptions } from './options.js';
import type { Replication } from './safety.js';

/** Counters for `Store.figures`. */
export interface LinkCounters {
  calls: number;
  batches: number;
  /** Calls sent once more. */
  repeats: number;
  /** Calls that Redis refused, or whose connection was lost. */
  refused: number;
  /** Calls whose connection was lost before their reply. */
  unknown: number;
  /** Batches that too few replicas had in time. */
  shortfalls: number;
  connects: number;
  redirections: number;
  /** Primaries that came back without their data. */
  losses: number;
}

export interface LinkHome {
  readonly options: RedisStoreOptions;
  readonly login: Login;
  readonly counters: LinkCounters;
  readonly replication: Replication;
  readonly isClosed: boolean;
  /** Flushes the link at the end of what is being done now. */
  later(link: Link): void;
  after(ms: number, task: () => void): void;
  /** Hands a call to the link of its slot. */
  route(call: Call): void;
  /** Asks who serves which slot. */
  refresh(): void;
  onRedirected(call: Call, to: Address, isAsking: boolean): void;
  /** Redis refused a call, which is repeated. */
  onRefused(link: Link, call: Call, error: Error): void;
  /** Null: it is over. */
  onTrouble(link: Link, reason: string | null): void;
  /** Checks a new connection and loads the scripts. */
  prepare(link: Link, connection: Connection): Promise<void>;
  /** Loads the scripts again. */
  reload(connection: Connection): void;
}
