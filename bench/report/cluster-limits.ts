/**
 * What limits each figure of the cluster, and where the model on paper puts the ceiling: a line
 * for each, with the numbers that were measured.
 */
import type { JoiningRow } from '../cluster/joining.js';
import type { ClusterSpeedRow } from '../cluster/speed.js';
import { costOf, type DeliveryCost, keptOf } from './cluster-tables.js';
import type { ClusterResults } from './results.js';
import { thousands } from './tables.js';

/** Of the model: bytes that a broker holds of a durable subscription. */
export const MODEL_BYTES = 150;
/** Of the model: durable subscriptions at which the full copy ends it. */
const MODEL_SUBSCRIPTIONS = 10_000_000;
/** Of the model: messages per second of one primary, each appended by a call of its own … */
const MODEL_CALLS = 150_000;
/** … and packed by session and turn. */
const MODEL_PACKED = 2_000_000;

/** What is said of a workload, by its identifier. */
const limits: Readonly<Record<string, (cost: DeliveryCost, kept: string) => string>> = {
  'local-qos0': (_, kept) =>
    `the event loop of each broker; Redis has no part in it. Model: linear without an end; ${kept}`,
  'local-qos1': (_, kept) =>
    `the event loop of each broker; Redis has no part in it. Model: linear without an end; ${kept}`,
  'local-durable': (cost, kept) =>
    `appends: a primary's core carries ${perSecond(cost.perPrimaryCore)}, so the brokers are busy
  first. Model: primaries add up, each with ${appends()}; ${kept}`,
  'remote-qos0': (cost, kept) => `${throughInbox(cost)}; ${kept}`,
  'remote-qos1': (cost, kept) => `${throughInbox(cost)}; ${kept}`,
  'remote-durable': (cost, kept) =>
    `appends and, for small messages, the forward to the owner's inbox: a primary's core carries
  ${perSecond(cost.perPrimaryCore)}. Model: primaries add up, each with ${appends()}; ${kept}`,
  'shared-round_robin': (cost, kept) =>
    `what goes to members elsewhere: with N brokers that is (N − 1) of N messages, so the figure
  falls from that of local traffic towards that of remote, below both by the pledge of each message
  to its transient member (ADR 14); a primary's core carries
  ${perSecond(cost.perPrimaryCore)}. Model: linear from there on; ${kept}`,
  'shared-local': (_, kept) =>
    `the event loop of each broker, as local traffic, and the pledges. Model: linear without an end;
  ${kept}`,
  'fan-out-qos0': (cost, kept) =>
    `the brokers that write to subscribers: each gets a message once, in one frame, however many
  subscribers it has (${cost.primariesUs.toFixed(2)} µs of primaries per delivery). Model: brokers
  add up in deliveries; the publisher's broker writes one frame more per broker; ${kept}`,
};

/** Of the speed of each workload. */
export function clusterLimits({ speed }: ClusterResults): string[] {
  return speed.flatMap((row) => {
    const cost = costOf(row);
    const says = limits[row.workload.id];
    if (cost === null || says === undefined) return [];
    return [`${row.workload.name}: ${says(cost, keptText(row))}.`];
  });
}

function throughInbox(cost: DeliveryCost): string {
  return `two brokers work on each message, and one frame per turn goes through the inbox of the
  one that gets it, on one primary, whose core carries ${perSecond(cost.perPrimaryCore)}. Model:
  linear, at the cost of two brokers, while the inboxes spread over the primaries`;
}

function appends(): string {
  return `${perSecond(MODEL_CALLS)} at a call per message and ${perSecond(MODEL_PACKED)} packed`;
}

function keptText(row: ClusterSpeedRow): string {
  const kept = keptOf(row);
  if (kept === null) return 'measured with one number of brokers alone';
  const { measurements } = row;
  const from = measurements[0]!.brokers;
  const to = measurements.at(-1)!.brokers;
  return `measured: ${(kept * 100).toFixed(0)} % of the figure is left from ${from} to ${to}
  brokers`;
}

export function latencyLimit({ latency }: ClusterResults): string[] {
  const row = latency?.rows[0];
  if (latency === null || row === undefined) return [];
  const more = row.remote.p50Us - row.local.p50Us;
  const hops = more / latency.hop.p50Us;
  return [
    `${row.name}: remote delivery takes ${(more / 1000).toFixed(2)} ms more at p50, that is
  ${hops.toFixed(1)} bare hops. Model: one hop; the rest is the second broker's turn and its
  socket.`,
  ];
}

export function subscribingLimits({ subscribing }: ClusterResults): string[] {
  const most = subscribing.at(-1);
  if (most === undefined || most.otherUs === null) return [];
  const all = 1e6 / most.otherUs;
  return [
    `A subscription costs every broker: with ${most.brokers} of them ${most.otherUs.toFixed(0)} µs
  of each other
  one. So brokers do not add up in new subscriptions: all of them together take at most
  ${perSecond(all)}.
  Model: the same, since each holds all of them.`,
  ];
}

export function joiningLimits({ joining }: ClusterResults): string[] {
  const empty = joining.find(({ count }) => count === 0);
  return joining.flatMap((row) => {
    if (row === empty) {
      return [
        `Empty: ${row.joinCpuS.toFixed(2)} s of it is CPU time, the start of Node.js; the rest is
  the word of the others, each of which must have seen the new one first.`,
      ];
    }
    return [fullCopyLimit(row, empty)];
  });
}

export function resumingLimits({ resuming }: ClusterResults): string[] {
  const few = resuming?.rows.at(0);
  const many = resuming?.rows.at(-1);
  if (few === undefined || many === undefined || few === many) return [];
  const perS = (many.clients * 1e6) / many.longestUs;
  return [
    `${thousands(few.clients)} at once: the round trips of a claim, each of which waits for a
  replica. ${thousands(many.clients)} at once: the cores of this machine, which take
  ${perSecond(perS)}, the clients' own share included. Model: no lease is waited for, so nothing
  grows with it.`,
  ];
}

/** What must be loaded is one broker's work, whatever the number of others. */
function fullCopyLimit(row: JoiningRow, empty: JoiningRow | undefined): string {
  const us = ((row.joinS - (empty?.joinS ?? 0)) * 1e6) / row.count;
  const speed = `${capital(row.what)}: ${us.toFixed(1)} µs each on the new broker's event loop`;
  const isSubscriptions = row.what.startsWith('durable');
  if (row.made === null || !isSubscriptions) {
    return `${speed}. Model: linear in their number, whatever the number of brokers.`;
  }
  const bytes = row.made.brokerBytes;
  const gib = (bytes * MODEL_SUBSCRIPTIONS) / 2 ** 30;
  return `${speed}, and ${thousands(bytes)} B each in every broker. Model: ${MODEL_BYTES} B each,
  and the end at ${thousands(MODEL_SUBSCRIPTIONS)}, which are ${gib.toFixed(1)} GiB and
  ${((us * MODEL_SUBSCRIPTIONS) / 6e7).toFixed(1)} minutes at what was measured.`;
}

function perSecond(count: number): string {
  return Number.isFinite(count) ? `${thousands(count)}/s` : 'any number';
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
