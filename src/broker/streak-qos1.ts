/**
 * QoS 1 messages of one topic in a row, and PUBACK packets in a row: as `streak.ts`, with packet
 * identifiers. Hot path.
 *
 * What was decided for the first message holds for the others as long as each subscriber's window
 * has room. They are copied together to each of them, their packet identifiers are put in, and
 * their publisher's PUBACK packets are written together.
 */
import { type Block, copyBytes } from '../base/block.js';
import { PUBACK_BYTE } from '../protocol/publish-writer.js';
import {
  readVariableByteInteger,
  variableByteIntegerSize,
} from '../protocol/variable-byte-integer.js';
import type { Connection } from './connection.js';
import { packetIdOf } from './outbox-flags.js';
import { countStreak, isSame, packetBytesMax, steadyRoute } from './streak.js';
import type { Subscription } from './subscription.js';

/** The first byte of a PUBLISH at QoS 1 without RETAIN, for the first time. */
export const PLAIN_QOS1 = 0x32;

const LENGTH_BYTES = 2;
const ID_BYTES = 2;
const PUBACK_BYTES = 4;
/** At most so much is copied at a time: more would only be flushed in between. */
const STREAK_BYTES = 32 * 1024;
/** The smallest PUBLISH at QoS 1. */
const PUBLISH_BYTES_MIN = 7;

/** Where the packet identifiers of the streak are, in what was read. Reused. */
const idsAt = new Int32Array(STREAK_BYTES / PUBLISH_BYTES_MIN + 1);

/**
 * Goes on after the packet that was handled last and ended at `start`, if it can.
 *
 * @returns where the first packet begins that is still to be handled
 */
export function followQos1(
  connection: Connection,
  block: Block,
  start: number,
  end: number,
): number {
  const { core } = connection;
  const { topicStart, topicEnd, payloadStart, end: firstEnd, qos } = core.publishReader;
  const propertyBytes = payloadStart - topicEnd - ID_BYTES;
  // Properties may mean something else for each message.
  if (firstEnd !== start || qos !== 1 || propertyBytes > 1) return start;
  const targets = targetsOf(connection, block, start);
  if (targets === null) return start;
  const countMax = Math.min(roomOf(targets), idsAt.length);
  const { bytes } = block;
  const nameAt = topicStart - LENGTH_BYTES;
  const nameBytes = topicEnd - nameAt;
  const headBytes = payloadStart - nameAt;
  const sizeMax = Math.min(connection.packetBytesMax, packetBytesMax(targets));
  const payloadMax = core.limits.messageBytesMax || Number.POSITIVE_INFINITY;
  const streakEnd = Math.min(end, start + STREAK_BYTES);
  let at = start;
  let count = 0;
  let payloadBytes = 0;
  while (count < countMax && streakEnd - at > 2 && bytes[at] === PLAIN_QOS1) {
    let length = bytes[at + 1]!;
    let bodyAt = at + 2;
    if (length > 127) {
      length = readVariableByteInteger(bytes, at + 1, end);
      bodyAt = at + 1 + variableByteIntegerSize(length);
    }
    const next = bodyAt + length;
    const payload = length - headBytes;
    if (length < 0 || payload < 0 || next > streakEnd || next - at > sizeMax) break;
    if (payload > payloadMax || !isSame(bytes, nameAt, bodyAt, nameBytes)) break;
    const idAt = bodyAt + nameBytes;
    const isZero = bytes[idAt] === 0 && bytes[idAt + 1] === 0;
    if (isZero || (propertyBytes > 0 && bytes[idAt + ID_BYTES] !== 0)) break;
    idsAt[count++] = idAt;
    payloadBytes += payload;
    at = next;
  }
  if (count > 0) deliver(connection, block, start, at, count, payloadBytes, targets);
  return at;
}

/**
 * Takes PUBACK packets of the shortest form, from `start` on.
 *
 * @returns where the first packet begins that is still to be handled
 */
export function followPubacks(
  connection: Connection,
  bytes: Buffer,
  start: number,
  end: number,
): number {
  const session = connection.session;
  const outbox = session?.outbox ?? null;
  if (outbox === null || !connection.isConnected) return start;
  let at = start;
  let settled = 0;
  while (end - at >= PUBACK_BYTES && bytes[at] === PUBACK_BYTE && bytes[at + 1] === ID_BYTES) {
    const packetId = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (packetId === 0) break;
    if (outbox.onPuback(packetId)) settled++;
    at += PUBACK_BYTES;
  }
  connection.core.metrics.packetsReceived += (at - start) / PUBACK_BYTES;
  if (settled > 0) session!.onSettled(outbox, settled);
  return at;
}

function deliver(
  { core: { metrics }, sender }: Connection,
  block: Block,
  start: number,
  end: number,
  count: number,
  payloadBytes: number,
  targets: readonly Subscription[],
): void {
  countStreak(metrics, count, payloadBytes, targets.length);
  for (const { session } of targets) {
    const firstSeq = session.outbox!.addSentInRow(count);
    const { output } = session.sender!;
    const at = output.reserve(end - start);
    copyBytes(output.chunk, at, block, start, end);
    const { bytes } = output.chunk;
    const shift = at - start;
    for (let index = 0; index < count; index++) {
      const packetId = packetIdOf(firstSeq + index);
      const idAt = idsAt[index]! + shift;
      bytes[idAt] = packetId >>> 8;
      bytes[idAt + 1] = packetId & 0xff;
    }
    session.sender!.noteRaw(block, end);
  }
  sender!.acknowledgeInRow(block.bytes, idsAt, count);
}

/**
 * Who got the message that ended at `end`, if each of them did at once, as it came, and nothing
 * has to be kept of those after it; null: these must be looked at one by one.
 */
function targetsOf(
  connection: Connection,
  block: Block,
  end: number,
): readonly Subscription[] | null {
  const { acks, core, sender, unheard } = connection;
  if (sender === null || unheard !== null || core.limits.inflightBytesMax > 0) return null;
  if (core.journal !== null) {
    // PUBACK waits for that of an earlier message, or for a doubt to end.
    if ((acks !== null && !acks.isEmpty) || core.journal.isOverloaded) return null;
    if (core.peers?.isDoubtful) return null;
  }
  const route = steadyRoute(connection);
  if (route === null || route.nodesAcknowledged.length > 0) return null;
  const { targets } = route;
  for (const { session } of targets) {
    if (session.isDurable || session.sender === null || session.outbox === null) return null;
    if (!session.sender.hasSentRaw(block, end) || !session.sender.isReady) return null;
  }
  return targets.length === 0 ? null : targets;
}

/** So many messages fit into the window of each. */
function roomOf(targets: readonly Subscription[]): number {
  let room = Number.POSITIVE_INFINITY;
  for (const { session } of targets) {
    room = Math.min(room, session.outbox!.room(session.sender!.inflightMax));
  }
  return room;
}
