/** The durable part of docs/benchmarks.md. */
import {
  drainingTable,
  durableDetailTable,
  durableTable,
  latencyTable,
  startUpTable,
} from './durable-tables.js';
import type { DurableResults } from './results.js';
import { type Table, toMarkdown } from './tables.js';

export function durableRun({ redis, settings }: DurableResults): string {
  const { rounds, seconds } = settings;
  const store = redis === null ? 'no Redis' : `Redis ${redis}`;
  return `${store}; ${rounds} round${rounds === 1 ? '' : 's'} of ${seconds} s each, medians`;
}

/** Paragraphs. */
export function durablePart(results: DurableResults): string[] {
  return [
    `Durable QoS 1 subscribers (clean session 0), 64 bytes. Deliveries per second of CPU time,
user and system: that of the broker **and** of every Redis process that it keeps its messages in,
replicas and the rewriting of append-only files included. Each run has a fresh broker on a fresh
store. Redis: one server; Redis Cluster: three primaries with a replica each; all of them with
\`appendonly yes\` and \`appendfsync everysec\`, Aedes' server too. Disk: \`disk_sync always\`.`,
    toMarkdown(durableTable(results)),
    ...section(
      'Wall-clock figures, durable',
      `CPU is in cores. fsyncs per second are the disk store's own count; what a second of them
costs is the disk's, so the rate on disk says as much of it as of the broker.`,
      durableDetailTable(results),
    ),
    ...section(
      'PUBACK at a steady rate',
      `A steady rate from 100 publishers to 100 durable subscribers in an open loop: the time
from the moment at which a message was due, with whatever the generator and others on this
machine added, to its PUBACK, once Node.js has compiled what it runs: after 15 s at that rate. Of
three runs the one with the median p99.`,
      latencyTable(results),
    ),
    ...section(
      'A long queue',
      `The queue of one session that is away, then taken by its client, 100 messages in flight.
MiB are the broker's own memory: before, with all queued, and the most while the queue is taken
(sampled ten times a second); then that with the pages of the database file that are mapped,
which the system takes back when it needs them.`,
      drainingTable(results),
    ),
    ...section(
      'Start',
      `From the start of the process until it accepts connections, and its own memory a second
later, without and with mapped pages; after an orderly end and after SIGKILL. The system's caches
are warm.`,
      startUpTable(results),
    ),
  ];
}

/** Nothing of what was not measured. */
function section(title: string, text: string, table: Table): string[] {
  return table.length > 1 ? [`### ${title}`, text, toMarkdown(table)] : [];
}
