/**
 * QoS 0 messages of one topic in a row, as one read brings them from a fast publisher. Hot path.
 *
 * What was decided for the first of them holds for the others: that its client may publish it, who
 * gets it, and that all of them get the very bytes that came. So the others are only compared with
 * it and counted, and each subscriber's run (see output.ts) grows by all of them at once.
 */
import type { Block } from '../base/block.js';
import {
  readVariableByteInteger,
  variableByteIntegerSize,
} from '../protocol/variable-byte-integer.js';
import type { Connection } from './connection.js';
import type { Metrics } from './metrics.js';
import type { Route } from './route.js';
import type { Subscription } from './subscription.js';

/** The first byte of a PUBLISH at QoS 0 without RETAIN. */
export const PLAIN_PUBLISH = 0x30;

/** Of the topic name. */
const LENGTH_BYTES = 2;

/**
 * Goes on after the packet that was handled last and ended at `start`, if it can.
 *
 * @returns where the first packet begins that is still to be handled
 */
export function followStreak(
  connection: Connection,
  block: Block,
  start: number,
  end: number,
): number {
  const { core } = connection;
  const { topicStart, topicEnd, payloadStart, end: firstEnd } = core.publishReader;
  const propertyBytes = payloadStart - topicEnd;
  // Properties may mean something else for each message.
  if (firstEnd !== start || propertyBytes > 1) return start;
  const { bytes } = block;
  const nameAt = topicStart - LENGTH_BYTES;
  const nameBytes = payloadStart - nameAt;
  if (!isSame(bytes, nameAt, start + (bytes[start + 1]! < 128 ? 2 : 3), nameBytes)) return start;
  const targets = targetsOf(connection, block, start);
  if (targets === null) return start;
  const sizeMax = Math.min(connection.packetBytesMax, packetBytesMax(targets));
  const payloadMax = core.limits.messageBytesMax || Number.POSITIVE_INFINITY;
  let at = start;
  let count = 0;
  let payloadBytes = 0;
  while (end - at > 2 && bytes[at] === PLAIN_PUBLISH) {
    let length = bytes[at + 1]!;
    let bodyAt = at + 2;
    if (length > 127) {
      length = readVariableByteInteger(bytes, at + 1, end);
      bodyAt = at + 1 + variableByteIntegerSize(length);
    }
    const next = bodyAt + length;
    const payload = length - nameBytes;
    if (length < 0 || payload < 0 || next > end || next - at > sizeMax) break;
    if (payload > payloadMax || !isSame(bytes, nameAt, bodyAt, nameBytes)) break;
    payloadBytes += payload;
    count++;
    at = next;
  }
  if (count > 0) deliver(connection, block, start, at, count, payloadBytes, targets);
  return at;
}

function deliver(
  { core: { metrics } }: Connection,
  block: Block,
  start: number,
  end: number,
  count: number,
  payloadBytes: number,
  targets: readonly Subscription[],
): void {
  countStreak(metrics, count, payloadBytes, targets.length);
  for (const { session } of targets) session.sender!.output.addToRun(block, start, end);
}

/**
 * Who got the message that ended at `end`, if each of them did as part of a run and nobody else
 * has to hear of it; null: the messages after it must be looked at one by one.
 */
function targetsOf(
  connection: Connection,
  block: Block,
  end: number,
): readonly Subscription[] | null {
  const route = steadyRoute(connection);
  if (route === null || route.nodes.length > 0) return null;
  const { targets } = route;
  for (const { session } of targets) {
    if (session.sender === null || !session.sender.output.endsRunAt(block, end)) return null;
  }
  return targets.length === 0 ? null : targets;
}

/**
 * Where the last message of a connection went, if those after it go the same way without a
 * question; null: they do not.
 */
export function steadyRoute({ core, access, lastTopic }: Connection): Route | null {
  if (lastTopic === null || core.wantsPublish || core.messageLog !== null) return null;
  if (core.limits.publishRatePerClient > 0 || core.delivery.allowDuplicateMessages) return null;
  if (access.restrictsPublish && !access.publishAnswersLast) return null;
  const route = core.router.knownRoute(lastTopic);
  return route === null || route.groups.length > 0 ? null : route;
}

/** Counts messages that came in a row, and went to so many. */
export function countStreak(
  metrics: Metrics,
  count: number,
  payloadBytes: number,
  receivers: number,
): void {
  metrics.packetsReceived += count;
  metrics.publishReceived += count;
  metrics.publishBytesReceived += payloadBytes;
  metrics.packetsSent += count * receivers;
  metrics.publishSent += count * receivers;
  metrics.publishBytesSent += payloadBytes * receivers;
}

/** The largest packet that each of them takes. */
export function packetBytesMax(targets: readonly Subscription[]): number {
  let max = Number.POSITIVE_INFINITY;
  for (const { session } of targets) max = Math.min(max, session.sender!.maximumPacketSize);
  return max;
}

export function isSame(bytes: Buffer, one: number, other: number, length: number): boolean {
  for (let index = 0; index < length; index++) {
    if (bytes[one + index] !== bytes[other + index]) return false;
  }
  return true;
}
