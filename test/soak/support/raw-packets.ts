/** The few packets that a raw client sends, as bytes. */

export interface ConnectOptions {
  readonly clientId: string;
  /** Default 4. */
  readonly version?: 4 | 5;
  /** Default true. */
  readonly cleanStart?: boolean;
  /** Seconds; version 5 only; default 0. */
  readonly sessionExpiryInterval?: number;
  /** Seconds; default 0. */
  readonly keepAlive?: number;
}

export const pingPacket: Buffer = Buffer.from([0xc0, 0]);

export function connectPacket(options: ConnectOptions): Buffer {
  const { clientId, version = 4, cleanStart = true, keepAlive = 0 } = options;
  const { sessionExpiryInterval = 0 } = options;
  const expiry = Buffer.from([5, 0x11, 0, 0, 0, 0]);
  expiry.writeUInt32BE(sessionExpiryInterval, 2);
  return packet(0x10, [
    text('MQTT'),
    Buffer.from([version, cleanStart ? 2 : 0, keepAlive >>> 8, keepAlive & 255]),
    ...(version === 5 ? [expiry] : []),
    text(clientId),
  ]);
}

export function subscribePacket(filter: string, qos: number, id: number, isV5: boolean): Buffer {
  const properties = isV5 ? [Buffer.from([0])] : [];
  return packet(0x82, [uint16(id), ...properties, text(filter), Buffer.from([qos])]);
}

export function publishPacket(
  topic: string,
  payload: Buffer,
  qos: number,
  id: number,
  isV5: boolean,
): Buffer {
  const packetId = qos > 0 ? [uint16(id)] : [];
  const properties = isV5 ? [Buffer.from([0])] : [];
  return packet(0x30 | (qos << 1), [text(topic), ...packetId, ...properties, payload]);
}

/** PUBACK. */
export function ackPacket(id: number): Buffer {
  return Buffer.from([0x40, 2, id >>> 8, id & 255]);
}

function packet(firstByte: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = [firstByte];
  let rest = body.length;
  do {
    head.push((rest % 128) | (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.concat([Buffer.from(head), body]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

function uint16(value: number): Buffer {
  return Buffer.from([value >>> 8, value & 255]);
}
