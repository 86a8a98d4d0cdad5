/** Everything that `tidewire redis-check` has to say: about each node, and about all of it. */
import { inspect } from './checks.js';
import { inspectCluster } from './checks-cluster.js';
import { type Finding, findingLevels, found, type Reported } from './finding.js';
import { inspectLatency } from './latency.js';
import type { Survey, SurveyedNode } from './survey.js';

/** The worst first; what holds for several nodes is said once. */
export function inspectAll(survey: Survey): Reported[] {
  const all: Reported[] = inspectCluster(survey);
  for (const node of survey.nodes) {
    for (const finding of inspectNode(node)) {
      all.push({ ...finding, nodes: [node.name] });
    }
  }
  const merged = new Map<string, Reported>();
  for (const one of all) {
    const key = JSON.stringify([one.level, one.name, one.what, one.why, one.todo]);
    const nodes = [...(merged.get(key)?.nodes ?? []), ...one.nodes];
    merged.set(key, { ...one, nodes });
  }
  const rank = ({ level }: Finding) => findingLevels.indexOf(level);
  return [...merged.values()].sort((a, b) => rank(a) - rank(b));
}

function inspectNode(node: SurveyedNode): Finding[] {
  const { flags, look } = node;
  if (typeof look === 'string') return [unreachable(node, look)];
  const { facts, latency, moving, state } = look;
  return [
    ...found([
      flags.includes('fail') ? takenForDead() : null,
      state === 'fail' ? stateFails() : null,
      moving.length > 0 ? movingSlots(moving) : null,
    ]),
    ...inspect(facts),
    ...inspectLatency(latency),
  ];
}

function unreachable({ isPrimary, slots }: SurveyedNode, problem: string): Finding {
  const isNeeded = isPrimary && slots !== '';
  return {
    level: isNeeded ? 'error' : 'warning',
    name: 'unreachable',
    what: `it cannot be asked: ${problem}`,
    why: isNeeded
      ? 'if the broker cannot reach it either, the sessions of its slots wait'
      : 'nothing can be said about it; as a replica it may be missing when it is needed',
    todo: 'start it, let it be reached from here, or remove it with CLUSTER FORGET',
  };
}

function takenForDead(): Finding {
  return {
    level: 'error',
    name: 'failed',
    what: 'it answers here, and the other nodes take it for dead',
    why: 'they do not hear it on the cluster bus, and replace it',
    todo: 'let the nodes reach each other on the bus port too (the port plus 10000, as a rule)',
  };
}

function stateFails(): Finding {
  return {
    level: 'error',
    name: 'cluster-state',
    what: 'cluster_state is fail',
    why: 'it refuses everything (CLUSTERDOWN)',
    todo: 'bring the missing slots back, or let the nodes reach each other',
  };
}

function movingSlots(moving: readonly number[]): Finding {
  return {
    level: 'warning',
    name: 'open-slots',
    what: `slots are on their way: ${moving.slice(0, 10).join(', ')}`,
    why: 'a session in one of them may have to wait until it has moved (TRYAGAIN)',
    todo: 'wait for the resharding; if none is running: redis-cli --cluster fix',
  };
}
