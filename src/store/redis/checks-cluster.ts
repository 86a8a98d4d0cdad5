/** What is to be said about a cluster as a whole. */
import { unservedSlots } from './cluster-nodes.js';
import { serverText } from './facts.js';
import { type Finding, found, type Reported, sizeText } from './finding.js';
import { SLOTS } from './slot.js';
import type { Look, Seed, Survey, SurveyedNode } from './survey.js';

/** Primaries that must agree before a replica takes over. */
const PRIMARIES_MIN = 3;

export function inspectCluster(survey: Survey): Reported[] {
  const { isCluster, nodes, seeds } = survey;
  const ofAll = isCluster
    ? found([unserved(survey), fewPrimaries(nodes), ...sharedHosts(nodes)])
    : found([notPrimary(nodes), noFailover(nodes), severalServers(seeds)]);
  return [
    ...ofAll.map((finding) => ({ ...finding, nodes: [] })),
    ...versions(nodes),
    ...deadSeeds(survey),
    ...smallerReplicas(nodes),
  ];
}

function unserved({ seen }: Survey): Finding | null {
  const { count, text } = unservedSlots(seen);
  if (count === 0) return null;
  return {
    level: 'error',
    name: 'slots',
    what: `${count} of ${SLOTS} slots are served by nobody: ${text.slice(0, 200)}`,
    why: 'the sessions in them can neither be written nor read',
    todo: 'bring their primary or a replica of it back, or assign them: redis-cli --cluster fix',
  };
}

function fewPrimaries(nodes: readonly SurveyedNode[]): Finding | null {
  const count = nodes.filter(({ isPrimary, slots }) => isPrimary && slots !== '').length;
  if (count >= PRIMARIES_MIN) return null;
  return {
    level: 'warning',
    name: 'primaries',
    what: `the cluster has ${count} primaries with slots`,
    why: 'a majority must be left to put a replica in a dead one’s place',
    todo: `take ${PRIMARIES_MIN} or more`,
  };
}

function sharedHosts(nodes: readonly SurveyedNode[]): (Finding | null)[] {
  const hosts = new Set(nodes.map(({ host }) => host));
  const todo = 'spread the nodes over machines, each replica on another one than its primary';
  const name = 'same-host';
  if (hosts.size === 1 && nodes.length > 1) {
    const what = `all nodes are on one host, ${nodes[0]!.host}`;
    return [{ level: 'advice', name, what, why: 'when it fails, all fail', todo }];
  }
  const primaries = nodes.filter(({ isPrimary, slots }) => isPrimary && slots !== '');
  const beside = primaries.filter((primary) => {
    const replicas = nodes.filter((node) => node.primary === primary.name);
    return replicas.length > 0 && replicas.every(({ host }) => host === primary.host);
  });
  const crowded = [...hosts].find(
    (one) => primaries.filter(({ host }) => host === one).length > primaries.length / 2,
  );
  const besideText = beside.map((node) => node.name).join(', ');
  return [
    beside.length === 0
      ? null
      : {
          level: 'advice',
          name,
          what: `on the same host as all their replicas: ${besideText}`,
          why: 'when it fails, their sessions are away',
          todo,
        },
    crowded === undefined || primaries.length < 2
      ? null
      : {
          level: 'advice',
          name,
          what: `most primaries are on one host, ${crowded}`,
          why: 'when it fails, no majority is left to put replicas in their places',
          todo,
        },
  ];
}

/** What the store would meet at its start. */
function notPrimary([first]: readonly SurveyedNode[]): Finding | null {
  if (first === undefined || first.isPrimary) return null;
  return {
    level: 'error',
    name: 'read-only',
    what: `${first.name} is a replica of ${first.primary}`,
    why: 'the broker does not start with it: it takes no writes',
    todo: `name ${first.primary} in redis_nodes`,
  };
}

function noFailover(nodes: readonly SurveyedNode[]): Finding | null {
  if (nodes.length < 2 || nodes[0]?.isPrimary !== true) return null;
  return {
    level: 'advice',
    name: 'failover',
    what: 'a single server with replicas, and no cluster',
    why: 'when it dies, no replica that others promote is found by the broker: it waits',
    todo: 'take a Redis Cluster, or keep its address on the one that is promoted',
  };
}

function severalServers(seeds: readonly Seed[]): Finding | null {
  const ids = new Set(seeds.filter(({ problem }) => problem === null).map(({ id }) => id));
  if (ids.size < 2) return null;
  return {
    level: 'error',
    name: 'seeds',
    what: `the nodes given are ${ids.size} servers, and no cluster`,
    why: 'the broker takes the one that answers first, so sessions are now here, now there',
    todo: 'name one of them in redis_nodes',
  };
}

function versions(nodes: readonly SurveyedNode[]): Reported[] {
  const byVersion = new Map<string, string[]>();
  for (const { look, name } of nodes) {
    if (typeof look === 'string') continue;
    const text = serverText(look.facts.info);
    byVersion.set(text, [...(byVersion.get(text) ?? []), name]);
  }
  if (byVersion.size < 2) return [];
  const what = [...byVersion].map(([text, names]) => `${text} (${names.join(', ')})`).join('; ');
  return [
    {
      level: 'warning',
      name: 'versions',
      nodes: [],
      what: `the nodes run different versions: ${what}`,
      why: 'an older replica may not understand what its primary sends, and fail to take over',
      todo: 'bring all to the newest one, replicas first',
    },
  ];
}

function deadSeeds({ isCluster, seeds, seen }: Survey): Reported[] {
  const known = new Set(seen.map(({ id }) => id));
  return seeds.flatMap(({ id, name, problem }): Reported[] => {
    const base = { name: 'seeds', nodes: [name] } as const;
    if (problem !== null) {
      const what = `one of the nodes given cannot be asked: ${problem}`;
      const why = 'a broker that starts with fewer addresses may find none that answers';
      const todo = 'start it, or take it out of redis_nodes';
      return [{ ...base, level: 'warning', what, why, todo }];
    }
    if (!isCluster || known.has(id)) return [];
    const what = 'one of the nodes given is not of the same cluster';
    const why = 'which cluster has the sessions is left to which node answers first';
    const todo = 'take it out of redis_nodes, or join them with CLUSTER MEET';
    return [{ ...base, level: 'error', what, why, todo }];
  });
}

/** A limit that starts to matter when the replica takes over. */
function smallerReplicas(nodes: readonly SurveyedNode[]): Reported[] {
  const limitOf = (look: Look | string | undefined) =>
    typeof look === 'object' ? (look.facts.config?.number('maxmemory') ?? Number.NaN) : Number.NaN;
  return nodes.flatMap(({ look, name, primary }): Reported[] => {
    const own = limitOf(look);
    const wanted = limitOf(nodes.find((node) => node.name === primary)?.look);
    if (!(own > 0) || !(wanted === 0 || own < wanted)) return [];
    const theirs = wanted > 0 ? sizeText(wanted) : 'no limit';
    return [
      {
        level: 'warning',
        name: 'maxmemory',
        nodes: [name],
        what: `maxmemory is ${sizeText(own)}, and its primary ${primary} has ${theirs}`,
        why: 'when it takes over, writes may wait for memory at once',
        todo: 'set the same maxmemory on both',
      },
    ];
  });
}
