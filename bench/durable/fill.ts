/**
 * Fills a broker's store through the broker, as fast as it takes it: durable sessions, messages in
 * their queues, retained messages. Nothing here is measured.
 */
import { connect, type Socket } from 'node:net';
import { BenchError } from '../bench-error.js';
import { lengthPrefixed, packet, twoBytes } from '../load/packets.js';

const PAYLOAD = Buffer.alloc(64, 'x');
/** Connections under way at once; each lives for a few packets. */
const SESSIONS_AT_ONCE = 100;
/** More connections than one address has ports: they come from several. */
const SOURCE_ADDRESSES = 10;
const WINDOW = 2000;
const STALL_MS = 30_000;

/** Durable sessions without a connection; session `i` is subscribed to `queue/<i>` with QoS 1. */
export async function addSessions(port: number, count: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) await addSession(port, i);
  };
  await Promise.all(Array.from({ length: SESSIONS_AT_ONCE }, worker));
}

export async function queueForAll(port: number, sessions: number, each: number): Promise<void> {
  await publishAll(port, sessions * each, false, (i) => `queue/${i % sessions}`);
}

export async function addRetained(port: number, count: number): Promise<void> {
  await publishAll(port, count, true, retainedTopic);
}

/**
 * Connects the last session: its queue and the last retained message must come. Nothing of it is
 * acknowledged, so it stays as it is.
 */
export async function checkFilled(
  port: number,
  { sessions, queued, retained }: { sessions: number; queued: number; retained: number },
): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let publishes = 0;
  socket.write(connectPacket(`device-${sessions - 1}`, false));
  socket.write(subscribePacket([retainedTopic(retained - 1)]));
  await untilOver(socket, (type) => {
    if (type === 3) publishes++;
    if (publishes === queued + 1) socket.end();
  });
}

export function retainedTopic(i: number): string {
  return `site/${i % 1000}/device/${i}/state`;
}

function addSession(port: number, index: number): Promise<void> {
  const host = '127.0.0.1';
  const localAddress = `127.0.0.${2 + (index % SOURCE_ADDRESSES)}`;
  const socket = connect({ port, host, localAddress, noDelay: true });
  socket.write(connectPacket(`device-${index}`, false));
  socket.write(subscribePacket([`queue/${index}`]));
  return untilOver(socket, (type) => {
    // SUBACK: the session is there, so the connection may end.
    if (type === 9) socket.end(packet(0xe0, Buffer.alloc(0)));
  });
}

/** Resolves when every message is acknowledged. */
function publishAll(
  port: number,
  count: number,
  isRetained: boolean,
  topicOf: (i: number) => string,
): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let sent = 0;
  let acknowledged = 0;
  const topUp = (): void => {
    const frames: Buffer[] = [];
    while (sent < count && sent - acknowledged < WINDOW) {
      const packetId = (sent % 65_535) + 1;
      frames.push(publishPacket(topicOf(sent++), packetId, isRetained));
    }
    if (frames.length > 0) socket.write(Buffer.concat(frames));
    if (acknowledged === count) socket.end(packet(0xe0, Buffer.alloc(0)));
  };
  socket.write(connectPacket('filler', true));
  return untilOver(
    socket,
    (type) => {
      if (type === 4) acknowledged++;
    },
    topUp,
  );
}

export function connectPacket(clientId: string, isClean: boolean): Buffer {
  const flags = Buffer.from([4, isClean ? 2 : 0]);
  return packet(
    0x10,
    Buffer.concat([lengthPrefixed('MQTT'), flags, twoBytes(0), lengthPrefixed(clientId)]),
  );
}

/** With QoS 1. */
export function subscribePacket(filters: readonly string[], packetId = 1): Buffer {
  const all = filters.flatMap((filter) => [lengthPrefixed(filter), Buffer.from([1])]);
  return packet(0x82, Buffer.concat([twoBytes(packetId), ...all]));
}

/** With QoS 1. */
export function publishPacket(topic: string, packetId: number, isRetained: boolean): Buffer {
  const body = Buffer.concat([lengthPrefixed(topic), twoBytes(packetId), PAYLOAD]);
  return packet(0x32 | (isRetained ? 1 : 0), body);
}

/** Resolves when we have ended the connection; rejects when others do, or nothing happens. */
function untilOver(
  socket: Socket,
  onPacket: (type: number) => void,
  afterRead: () => void = () => undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let rest: Buffer = Buffer.alloc(0);
    const fail = (detail: string) => {
      socket.destroy();
      reject(new BenchError(`cannot fill the broker: ${detail}`));
    };
    socket.setTimeout(STALL_MS, () => fail(`nothing happened for ${STALL_MS / 1000} s`));
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => {
      if (socket.writableEnded) resolve();
      else fail('closed by the broker');
    });
    socket.on('data', (chunk: Buffer) => {
      rest = readPackets(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), onPacket);
      afterRead();
    });
  });
}

/** Calls back with the type of each whole packet, each shorter than 128 bytes; returns the rest. */
export function readPackets(bytes: Buffer, onPacket: (type: number) => void): Buffer {
  let at = 0;
  while (bytes.length - at >= 2 && bytes.length - at >= 2 + bytes[at + 1]) {
    onPacket(bytes[at] >>> 4);
    at += 2 + bytes[at + 1];
  }
  return bytes.subarray(at);
}
