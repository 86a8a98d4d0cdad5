/**
 * A reload as the broker core sees it: new settings count at once, for connections and sessions
 * that are there as well. What a CONNACK has promised (Receive Maximum, Maximum Packet Size) holds
 * until the connection ends.
 */
import type { DeliveryConfig } from '../config/config.js';
import type { Limits } from '../config/limits.js';
import type { BrokerCore } from './core.js';

export interface CoreSettings {
  readonly delivery: DeliveryConfig;
  readonly limits: Limits;
  readonly logsConnections: boolean;
}

/** Takes over `settings`, and whatever has changed about access. */
export function reconfigure(core: BrokerCore, settings: CoreSettings): void {
  core.turn.begin();
  core.delivery = settings.delivery;
  core.limits = settings.limits;
  core.logsConnections = settings.logsConnections;
  core.recheckAccess();
  for (const connection of core.connections) {
    // It was checked by the old limits.
    connection.lastTopic = null;
    connection.sender?.onLimitsChanged();
    connection.session?.pump();
  }
}
