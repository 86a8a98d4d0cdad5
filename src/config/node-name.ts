/**
 * The default of `node_name`: what stays the same when a broker restarts, and differs from every
 * other broker that shares a Redis.
 *
 * The host's name is not enough, since several brokers may run on one host; but no two of those
 * have the same listener. At port 0 they may, so there the process tells them apart.
 */
import { hostname } from 'node:os';
import type { ListenerConfig } from './config.js';

export interface ProcessIdentity {
  readonly hostName: string;
  readonly pid: number;
}

export function thisProcess(): ProcessIdentity {
  return { hostName: hostname(), pid: process.pid };
}

/** `gateway:1883`, `gateway/127.0.0.1:1883`, `gateway//run/mqtt.sock`. */
export function defaultNodeName(
  { name, port, socketPath }: Pick<ListenerConfig, 'name' | 'port' | 'socketPath'>,
  { hostName, pid }: ProcessIdentity,
): string {
  const isAnyPort = port === 0 && socketPath === null;
  const full = name.startsWith('*:') ? hostName + name.slice(1) : `${hostName}/${name}`;
  return isAnyPort ? `${full}/${pid}` : full;
}
