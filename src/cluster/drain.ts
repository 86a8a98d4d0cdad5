/**
 * How a broker of a cluster stops: no new clients, and those that are here go to the others, not
 * all at once, so that nobody is stormed.
 */

import { closeConnection } from '../broker/closing.js';
import type { BrokerCore } from '../broker/core.js';
import { ReasonCode } from '../protocol/reason-codes.js';

const SLICE_MS = 50;

export interface DrainOptions {
  /** Clients per second; 0: all at once. */
  readonly rate: number;
  /** MQTT 5.0 Server Reference; null: none. */
  readonly serverReference: string | null;
}

/** Milliseconds that it takes to send so many clients away. */
export function drainMs(clients: number, rate: number): number {
  return rate === 0 ? 0 : Math.ceil((clients * 1000) / rate);
}

/** Sends all clients away; new ones are refused from now on. Resolves when none is left. */
export async function drain(
  core: BrokerCore,
  { rate, serverReference }: DrainOptions,
): Promise<void> {
  core.isShuttingDown = true;
  const perSlice = rate === 0 ? core.connections.size : Math.ceil((rate * SLICE_MS) / 1000);
  const reasonCode =
    serverReference === null ? ReasonCode.ServerShuttingDown : ReasonCode.UseAnotherServer;
  while (core.connections.size > 0) {
    core.turn.begin();
    let left = perSlice;
    for (const connection of core.connections) {
      if (left-- === 0) break;
      closeConnection(connection, reasonCode, 'the broker is shutting down', { serverReference });
    }
    if (core.connections.size > 0) await new Promise((resolve) => setTimeout(resolve, SLICE_MS));
  }
}
