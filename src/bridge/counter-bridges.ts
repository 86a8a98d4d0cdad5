/**
 * Bridges that the remote broker has to this one. With such a bridge and ours, each would carry
 * what the other one brought, for ever; so the two count as one source of messages, see `Kin`.
 * A broker says on `$SYS/broker/connection/CLIENT/state` which bridges it has and whether they are
 * connected: Mosquitto does, and so do we.
 */
import type { Kin } from '../broker/kin.js';
import type { BridgeConfig } from '../config/bridge-config.js';
import type { BridgeSubscription } from './topic-map.js';

const PREFIX = '$SYS/broker/connection/';
const SUFFIX = '/state';

export const stateSubscription: BridgeSubscription = Object.freeze({
  filter: `${PREFIX}+${SUFFIX}`,
  qos: 0,
  isShared: false,
});

/**
 * True when messages go both ways, and the remote broker may be asked: some close the connection
 * of a client that touches `$SYS`, so only where notifications, which are below it, are on.
 */
export function mayLoop({ topics, tryPrivate, notifications }: BridgeConfig): boolean {
  const goesOut = topics.some(({ direction }) => direction !== 'in');
  const comesIn = topics.some(({ direction }) => direction !== 'out');
  return goesOut && comesIn && tryPrivate && notifications === 'both';
}

export class CounterBridges {
  private readonly kin: Kin;
  private readonly config: BridgeConfig;
  /** Client identifiers that they have here. */
  private readonly clientIds = new Set<string>();

  constructor(kin: Kin, config: BridgeConfig) {
    this.kin = kin;
    this.config = config;
  }

  /** From the remote broker. */
  onMessage(topic: string, payload: Buffer): void {
    if (!topic.startsWith(PREFIX) || !topic.endsWith(SUFFIX)) return;
    const clientId = topic.slice(PREFIX.length, -SUFFIX.length);
    if (clientId === this.config.remoteClientId) return;
    if (payload.toString('latin1') === '1') this.clientIds.add(clientId);
    else this.clientIds.delete(clientId);
    this.tell();
  }

  /** What is known counts from now on, in place of what was known on the last connection. */
  tell(): void {
    const { name, localClientId } = this.config;
    this.kin.set(name, this.clientIds.size === 0 ? [] : [localClientId, ...this.clientIds]);
  }
}
