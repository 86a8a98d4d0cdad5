/**
 * Looks at all of a Redis Cluster, or at one server and its replicas, without writing anything.
 * For `tidewire redis-check`.
 */
import type { Clock } from '../../base/clock.js';
import { BrokerError, messageOf } from '../../base/errors.js';
import { namesOf, parseClusterNodes, rangesText, type SeenNode } from './cluster-nodes.js';
import { type Address, addressText, type Login } from './connection.js';
import { askFacts, isReplica, type ServerFacts, unlessRefused } from './facts.js';
import { type InfoFields, parseInfo } from './info.js';
import { type Latency, measureLatency } from './latency.js';
import type { AckLevel } from './options.js';
import { isNoCluster } from './topology.js';
import { withConnection } from './watched.js';

export interface SurveyOptions {
  readonly nodes: readonly Address[];
  readonly login: Login;
  readonly ackLevel: AckLevel | null;
  readonly clock: Clock;
  /** A clock with fractions of milliseconds, for round trips. */
  readonly preciseMs: () => number;
}

export interface SurveyedNode {
  readonly name: string;
  readonly host: string;
  readonly isPrimary: boolean;
  /** Of a replica, when it is known. */
  readonly primary: string | null;
  /** `0-5460`; empty: none. */
  readonly slots: string;
  /** Of CLUSTER NODES: `fail`, … */
  readonly flags: readonly string[];
  /** What it says of itself; a text: why it could not be asked. */
  readonly look: Look | string;
}

export interface Look {
  readonly facts: ServerFacts;
  readonly latency: Latency;
  /** `ok` or `fail`, by its own word; empty: no cluster. */
  readonly state: string;
  /** Slots that are on their way. */
  readonly moving: readonly number[];
}

/** What one of the nodes that were given said. */
export interface Seed {
  readonly name: string;
  /** Null: it answered. */
  readonly problem: string | null;
  /** Which node, or which single server, it is. */
  readonly id: string;
  /** Null: a single server, or no answer. */
  readonly seen: readonly SeenNode[] | null;
}

export interface Survey {
  readonly isCluster: boolean;
  readonly ackLevel: AckLevel | null;
  /** As the first one that answered sees it; empty: no cluster. */
  readonly seen: readonly SeenNode[];
  readonly seeds: readonly Seed[];
  readonly nodes: readonly SurveyedNode[];
}

interface Place {
  readonly address: Address;
  readonly isPrimary: boolean;
  readonly primary: string | null;
  readonly slots: string;
  readonly flags: readonly string[];
}

/** @throws BrokerError `REDIS_CONNECT` when none of the nodes can be asked */
export async function survey(options: SurveyOptions): Promise<Survey> {
  const asked = await Promise.all(options.nodes.map((node) => askSeed(node, options)));
  const at = asked.findIndex(({ problem }) => problem === null);
  if (at < 0) {
    const problems = asked.map(({ problem }) => problem).join('; ');
    throw new BrokerError('REDIS_CONNECT', `no Redis node answers: ${problems}`);
  }
  const { info, seen } = asked[at]!;
  const places = seen === null ? placesOfServer(info!, options.nodes[at]!) : placesOfCluster(seen);
  const nodes: SurveyedNode[] = [];
  // One after the other: they would wait for each other, and that would be measured.
  for (const place of places) nodes.push(await lookAt(place, options));
  return {
    isCluster: seen !== null,
    ackLevel: options.ackLevel,
    seen: seen ?? [],
    seeds: asked,
    nodes,
  };
}

async function askSeed(
  address: Address,
  { clock, login }: SurveyOptions,
): Promise<Seed & { readonly info: InfoFields | null }> {
  const name = addressText(address);
  try {
    return await withConnection(address, login, clock, async (connection) => {
      const info = parseInfo(await connection.command('INFO'));
      const id = info.text('run_id');
      try {
        const text = String(await connection.command('CLUSTER', 'NODES'));
        const seen = parseClusterNodes(text, address);
        const self = seen.find(({ isSelf }) => isSelf);
        return { name, problem: null, id: self?.id ?? id, seen, info };
      } catch (error) {
        if (!isNoCluster(error)) throw error;
        return { name, problem: null, id, seen: null, info };
      }
    });
  } catch (error) {
    return { name, problem: named(error, name), id: '', seen: null, info: null };
  }
}

function named(error: unknown, name: string): string {
  const text = messageOf(error);
  return text.includes(name) ? text : `${name}: ${text}`;
}

function placesOfCluster(seen: readonly SeenNode[]): Place[] {
  const names = namesOf(seen);
  const places = seen.map(({ address, flags, isPrimary, primaryId, ranges }) => ({
    address,
    isPrimary,
    primary: primaryId === null ? null : (names.get(primaryId) ?? primaryId),
    slots: rangesText(ranges),
    flags,
  }));
  // Each primary, and its replicas behind it.
  const keyOf = ({ address, primary }: Place) => primary ?? addressText(address);
  return places.sort(
    (a, b) =>
      keyOf(a).localeCompare(keyOf(b), 'en', { numeric: true }) ||
      Number(b.isPrimary) - Number(a.isPrimary),
  );
}

/** A single server, with the replicas that it tells of. */
function placesOfServer(info: InfoFields, address: Address): Place[] {
  const name = addressText(address);
  const rest = { slots: '', flags: [] };
  if (isReplica(info)) {
    const primary = `${info.text('master_host')}:${info.text('master_port')}`;
    return [{ address, isPrimary: false, primary, ...rest }];
  }
  const places: Place[] = [{ address, isPrimary: true, primary: null, ...rest }];
  for (let index = 0; info.text(`slave${index}`) !== ''; index++) {
    const match = /^ip=(.*?),port=(\d+)/.exec(info.text(`slave${index}`));
    if (match === null) continue;
    const replica = { host: match[1]!, port: Number(match[2]) };
    places.push({ address: replica, isPrimary: false, primary: name, ...rest });
  }
  return places;
}

async function lookAt(place: Place, options: SurveyOptions): Promise<SurveyedNode> {
  const { address, ...rest } = place;
  const node = { name: addressText(address), host: address.host, ...rest };
  if (address.port === 0) return { ...node, look: 'its address is not known' };
  try {
    const look = await withConnection(address, options.login, options.clock, async (connection) => {
      const facts = await askFacts(connection, options.ackLevel);
      const state = parseInfo(await unlessRefused(connection.command('CLUSTER', 'INFO')));
      const text = await unlessRefused(connection.command('CLUSTER', 'NODES'));
      const self = parseClusterNodes(String(text ?? ''), address).find(({ isSelf }) => isSelf);
      const latency = await measureLatency(connection, options.preciseMs);
      return { facts, latency, state: state.text('cluster_state'), moving: self?.moving ?? [] };
    });
    return { ...node, look };
  } catch (error) {
    return { ...node, look: named(error, node.name) };
  }
}
