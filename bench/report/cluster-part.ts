/** The cluster part of docs/benchmarks.md. */
import {
  clusterLimits,
  joiningLimits,
  latencyLimit,
  resumingLimits,
  subscribingLimits,
} from './cluster-limits.js';
import {
  clusterDetailTable,
  clusterLatencyTable,
  clusterTable,
  costTable,
  joiningTable,
  makingTable,
  resumingTable,
  subscribingTable,
} from './cluster-tables.js';
import type { ClusterResults } from './results.js';
import { type Table, toMarkdown } from './tables.js';

export function clusterRun({ redis, settings }: ClusterResults): string {
  const { rounds, seconds } = settings;
  return `Redis ${redis}; ${rounds} round${rounds === 1 ? '' : 's'} of ${seconds} s each, medians`;
}

const subscribingText = `Clients of one broker subscribe, each SUBSCRIBE to one new filter. SUBACK
comes when every broker knows the subscription. CPU time and memory (the heap after its garbage
went) per subscription: of the client's broker, of each other broker, of Redis (primaries; their
replicas have as much again). SUBACK: the wait for it when nothing else is under way.`;

/** Paragraphs. */
export function clusterPart(results: ClusterResults): string[] {
  return [
    `Brokers that share a Redis Cluster of three primaries with a replica each
(\`appendonly yes\`, \`appendfsync everysec\`). Deliveries of 64 bytes per second of CPU time, user
and
system: that of all brokers **and** all Redis processes. Everything runs on this one machine, so the
wall clock says what its cores can do, and CPU time what a cluster of machines could: where
the figure stays the same, the second broker brings as much as the first. \`Kept\` is the
figure with the most brokers as a share of that with the fewest. Local: publishers and subscribers
on the same broker, four of each at every broker, on topics of their own; remote: each broker's
subscribers get what the publishers of the one before send; shared: one group of all subscribers;
fan-out: one publisher, its subscribers spread over all brokers. Each load runs once before it
counts: Node.js takes seconds of CPU time until it has compiled the paths of a load.`,
    `The model on paper ([ADR 14](adr/0014-cluster.md)): brokers add up in connections and in routed
messages, Redis primaries in durable appends; every broker holds all subscriptions: there it ends.`,
    ...table(clusterTable(results)),
    `ᵍ generator-bound, as above.`,
    ...section(
      'What a delivery costs',
      `Microseconds of CPU time per delivery with the most brokers, those of all brokers that
it passes through added up, and what follows for larger machines: how many deliveries a broker's
core carries, and with how many cores of brokers one core of a primary is busy.`,
      costTable(results),
      clusterLimits(results),
    ),
    ...section(
      'Wall-clock figures, cluster',
      'CPU is in cores: 1.00 is one core all the time, of all brokers or servers together.',
      clusterDetailTable(results),
    ),
    ...section(
      'Latency from one broker to another',
      latencyText(results),
      clusterLatencyTable(results),
      latencyLimit(results),
    ),
    ...section(
      'A transient subscription',
      subscribingText,
      subscribingTable(results),
      subscribingLimits(results),
    ),
    ...section(
      'Many durable subscriptions, many retained messages',
      `Made through two brokers: CPU time per thing, that of both brokers and of all of Redis, the
connections of the sessions included; memory per thing in each broker and in the primaries.`,
      makingTable(results),
    ),
    ...section(
      'A further broker joins',
      `From the start of its process until it serves, when it has everything; its own memory then.
Two brokers are there already.`,
      joiningTable(results),
      joiningLimits(results),
    ),
    ...resumingSection(results),
  ];
}

function resumingSection(results: ClusterResults): string[] {
  return section(
    'Clients go on after `kill -9`',
    `One of three brokers is killed. As soon as their connections break its clients, all of them
with durable sessions, connect to the other two, which carry ${results.resuming?.ratePerS ?? 0}
durable messages per second of others meanwhile: from the beginning of the attempt until CONNACK,
which says that the session is there.`,
    resumingTable(results),
    resumingLimits(results),
  );
}

function latencyText({ latency }: ClusterResults): string {
  if (latency === null) return '';
  const { hop, ratePerS } = latency;
  const us = (value: number) => `${(value / 1000).toFixed(2)} ms`;
  return `Milliseconds from publish to delivery at ${ratePerS} messages per second, on one of two
brokers
and from one to the other. One Redis hop without any broker, from an XADD to the answer of another
connection's waiting XREAD, takes ${us(hop.p50Us)} at p50 and ${us(hop.p99Us)} at p99.`;
}

function table(rows: Table): string[] {
  return rows.length > 1 ? [toMarkdown(rows)] : [];
}

/** Nothing of what was not measured. */
function section(
  title: string,
  text: string,
  rows: Table,
  limits: readonly string[] = [],
): string[] {
  if (rows.length <= 1) return [];
  const list = limits.map((limit) => `- ${limit}`).join('\n');
  return [`### ${title}`, text, toMarkdown(rows), list].filter((part) => part !== '');
}
