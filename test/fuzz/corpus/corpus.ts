/** Every hostile case, and what becomes of one when it is sent to a broker. */
import { pingreq } from '../../../conformance/raw/build.js';
import { until } from '../../support/until.js';
import type { Ports } from '../fuzzed-broker.js';
import { frame, Wire } from '../wire.js';
import { beforeConnect } from './before-connect.js';
import { afterTopic, type HostileCase, type ListenerName } from './hostile-case.js';
import { inSessions } from './in-session.js';
import { otherListeners } from './other-listeners.js';

export const corpus: readonly HostileCase[] = [...beforeConnect, ...inSessions, ...otherListeners];

// Connect timeout and keep-alive of the fuzzed broker are far below.
const deadlineMs = 15_000;
const CONNACK = 0x20;
const DISCONNECT = 0xe0;
const PINGRESP = 0xd0;
const BINARY = 2;

export function portOf(ports: Ports, listener: ListenerName): number {
  return listener === 'http' ? ports.websocket : ports[listener];
}

/** Null when the broker did what it should, else what it did instead. */
export async function judge(ports: Ports, hostile: HostileCase): Promise<string | null> {
  const { listener = 'plain', verdict, reasonCode, version } = hostile;
  const wire = new Wire(listener === 'websocket' ? 'websocket' : 'tcp', portOf(ports, listener));
  const send = (bytes: Buffer): void => {
    if (hostile.isRaw) wire.sendRaw(bytes);
    else wire.send(bytes);
  };
  for (const chunk of hostile.chunks) send(chunk);
  if (verdict === 'served') send(hostile.isRaw ? frame(BINARY, pingreq(), true) : pingreq());
  else if (version !== 0) send(afterTopic(hostile));
  const isAnswered = (): boolean => wire.packets.some((packet) => packet[0] === PINGRESP);
  const wasServed = (): boolean => verdict === 'served' && isServed(hostile, wire.packets);
  try {
    await until(hostile.name, () => wire.isClosed || wasServed(), { deadlineMs });
  } catch {
    return `neither closed nor served within ${deadlineMs} ms`;
  } finally {
    wire.reset();
  }
  if (wire.connectError !== null) return `not connected: ${wire.connectError.message}`;
  if (verdict === 'served') return wasServed() ? null : `closed: ${describe(wire.packets)}`;
  if (isAnswered()) return 'served';
  const code = lastReasonCode(wire.packets);
  if (reasonCode === undefined || code === reasonCode) return null;
  return `reason code ${code}, not ${reasonCode}: ${describe(wire.packets)}`;
}

/** The last PINGREQ is the case's own: PINGREQs of the chunks are answered before it. */
function isServed(hostile: HostileCase, packets: readonly Buffer[]): boolean {
  const asked = 1 + pingsIn(hostile);
  return packets.filter((packet) => packet[0] === PINGRESP).length >= asked;
}

function pingsIn({ chunks, isRaw }: HostileCase): number {
  if (isRaw) return 0;
  const all = Buffer.concat(chunks);
  const ping = pingreq();
  let count = 0;
  for (let end = all.length; all.subarray(end - 2, end).equals(ping); end -= 2) count++;
  return count;
}

/** Of the last DISCONNECT or CONNACK; -1 without one. */
function lastReasonCode(packets: readonly Buffer[]): number {
  const last = packets.at(-1);
  if (last === undefined) return -1;
  if (last[0] === DISCONNECT) return last.length > 2 ? last[2] : 0;
  return last[0] === CONNACK ? last[3] : -1;
}

function describe(packets: readonly Buffer[]): string {
  const texts = packets.slice(-3).map((packet) => packet.subarray(0, 60).toString('hex'));
  return texts.length === 0 ? 'nothing was answered' : `last answers ${texts.join(' ')}`;
}
