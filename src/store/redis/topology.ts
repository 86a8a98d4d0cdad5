/** Who serves which slot, from CLUSTER SLOTS. */

import type { Clock } from '../../base/clock.js';
import { BrokerError, messageOf } from '../../base/errors.js';
import { type Address, addressText, type Login } from './connection.js';
import { SLOTS } from './slot.js';
import { TOPOLOGY_ASKED } from './tuning.js';
import { withConnection } from './watched.js';

export interface Topology {
  /** False: a single server. */
  readonly isCluster: boolean;
  readonly primaries: readonly Address[];
  /** Replicas too: whom to ask next time. */
  readonly nodes: readonly Address[];
  /** Index in `primaries` for each slot; -1: nobody. */
  readonly slots: Int16Array;
}

/**
 * Asks some of the nodes at once and takes the first answer: one of them may be dead.
 *
 * @param turn where in `nodes` to begin, so that a node that knows less is not always the first
 * @throws BrokerError `REDIS_CONNECT` when none of them answers
 */
export async function askTopology(
  nodes: readonly Address[],
  turn: number,
  login: Login,
  clock: Clock,
): Promise<Topology> {
  const problems: string[] = [];
  for (let at = 0; at < nodes.length; at += TOPOLOGY_ASKED) {
    const asked = nodes.slice(at, at + TOPOLOGY_ASKED);
    const rotated = asked.map((_, index) => asked[(index + turn) % asked.length]!);
    try {
      return await Promise.any(rotated.map((node) => ask(node, login, clock)));
    } catch (error) {
      const causes = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
      problems.push(...causes.map(messageOf));
    }
  }
  const detail = `no Redis node answers: ${problems.join('; ')}`;
  throw new BrokerError('REDIS_CONNECT', `${detail}; check redis_nodes, user, password and TLS`);
}

async function ask(node: Address, login: Login, clock: Clock): Promise<Topology> {
  try {
    return await withConnection(node, login, clock, async (connection) =>
      parse(await connection.command('CLUSTER', 'SLOTS'), node),
    );
  } catch (error) {
    if (!isNoCluster(error)) throw error;
    return single(node);
  }
}

/** True for the answer of a single server to what only a cluster knows. */
export function isNoCluster(error: unknown): boolean {
  return /cluster support disabled|unknown command/i.test(messageOf(error));
}

function single(node: Address): Topology {
  const slots = new Int16Array(SLOTS);
  return { isCluster: false, primaries: [node], nodes: [node], slots };
}

/** Ranges of [first, last, primary, replica…], where a node is [host, port, …]. */
function parse(reply: unknown, from: Address): Topology {
  const slots = new Int16Array(SLOTS).fill(-1);
  const primaries: Address[] = [];
  const places = new Map<string, number>();
  const nodes = new Map<string, Address>();
  for (const range of reply as readonly (readonly unknown[])[]) {
    const members = range.slice(2).map((node) => address(node as readonly unknown[], from));
    for (const node of members) nodes.set(addressText(node), node);
    const primary = members[0];
    if (primary === undefined) continue;
    const name = addressText(primary);
    let place = places.get(name);
    if (place === undefined) {
      place = primaries.push(primary) - 1;
      places.set(name, place);
    }
    slots.fill(place, Number(range[0]), Number(range[1]) + 1);
  }
  return { isCluster: true, primaries, nodes: [...nodes.values()], slots };
}

function address(node: readonly unknown[], from: Address): Address {
  const host = node[0] === null ? '' : String(node[0]);
  // A node that does not know its own address is where it was asked.
  return { host: host === '' || host === '?' ? from.host : host, port: Number(node[1]) };
}
