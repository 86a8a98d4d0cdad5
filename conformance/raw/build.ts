/** One builder per packet that a client sends, for 3.1 (3), 3.1.1 (4) and 5.0 (5). */
import { field, frame, raw, type Text, u8, u16 } from './bytes.js';
import { encodeProperties, type Properties } from './properties.js';

export type Version = 3 | 4 | 5;

export interface Will {
  readonly topic: Text;
  readonly payload?: Text;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly properties?: Properties | Buffer;
}

export interface ConnectFields {
  readonly clientId?: Text;
  /** Clean Start, or CleanSession; default true. */
  readonly clean?: boolean;
  readonly keepAlive?: number;
  readonly will?: Will;
  readonly username?: Text;
  readonly password?: Text;
  readonly properties?: Properties | Buffer;
  /** Instead of what follows from the other fields. */
  readonly flags?: number;
  readonly protocolName?: Text;
  readonly level?: number;
  readonly payload?: Buffer;
}

export function connect(version: Version, fields: ConnectFields): Buffer {
  const { will } = fields;
  let flags = fields.clean === false ? 0 : 0x02;
  const payload: Buffer[] = [field(fields.clientId ?? '')];
  if (will !== undefined) {
    flags |= 0x04 | ((will.qos ?? 0) << 3) | (will.retain ? 0x20 : 0);
    if (version === 5) payload.push(encodeProperties(will.properties ?? {}));
    payload.push(field(will.topic), field(will.payload ?? ''));
  }
  if (fields.username !== undefined) {
    flags |= 0x80;
    payload.push(field(fields.username));
  }
  if (fields.password !== undefined) {
    flags |= 0x40;
    payload.push(field(fields.password));
  }
  return frame(
    0x10,
    field(fields.protocolName ?? (version === 3 ? 'MQIsdp' : 'MQTT')),
    u8(fields.level ?? version),
    u8(fields.flags ?? flags),
    u16(fields.keepAlive ?? 0),
    version === 5 ? encodeProperties(fields.properties ?? {}) : Buffer.alloc(0),
    fields.payload ?? Buffer.concat(payload),
  );
}

export interface PublishFields {
  readonly topic: Text;
  readonly payload?: Text;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly dup?: boolean;
  /** Written when given, whatever the QoS is. */
  readonly packetId?: number;
  readonly properties?: Properties | Buffer;
}

export function publish(version: Version, fields: PublishFields): Buffer {
  const qos = fields.qos ?? 0;
  return frame(
    0x30 | (fields.dup ? 8 : 0) | (qos << 1) | (fields.retain ? 1 : 0),
    field(fields.topic),
    fields.packetId === undefined ? Buffer.alloc(0) : u16(fields.packetId),
    version === 5 ? encodeProperties(fields.properties ?? {}) : Buffer.alloc(0),
    raw(fields.payload ?? ''),
  );
}

export type AckType = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';
const ackFirstByte: Readonly<Record<AckType, number>> = {
  puback: 0x40,
  pubrec: 0x50,
  pubrel: 0x62,
  pubcomp: 0x70,
};

export interface AckFields {
  /** Left out with its properties when 0 and no properties are given. */
  readonly reasonCode?: number;
  readonly properties?: Properties | Buffer;
  /** Instead of the type's own first byte. */
  readonly firstByte?: number;
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP. */
export function ack(version: Version, type: AckType, packetId: number, fields: AckFields = {}) {
  const parts = [u16(packetId)];
  if (version === 5 && (fields.reasonCode !== undefined || fields.properties !== undefined)) {
    parts.push(u8(fields.reasonCode ?? 0));
    if (fields.properties !== undefined) parts.push(encodeProperties(fields.properties));
  }
  return frame(fields.firstByte ?? ackFirstByte[type], ...parts);
}

export interface FilterFields {
  readonly filter: Text;
  readonly qos?: number;
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: number;
  /** The whole options byte, instead of the fields above. */
  readonly options?: number;
}

export interface SubscribeFields {
  readonly packetId: number;
  readonly filters: readonly FilterFields[];
  readonly properties?: Properties | Buffer;
  readonly firstByte?: number;
}

export function subscribe(version: Version, fields: SubscribeFields): Buffer {
  const payload = fields.filters.map((one) => {
    const options =
      (one.qos ?? 0) |
      (one.noLocal ? 4 : 0) |
      (one.retainAsPublished ? 8 : 0) |
      ((one.retainHandling ?? 0) << 4);
    return Buffer.concat([field(one.filter), u8(one.options ?? options)]);
  });
  return frame(
    fields.firstByte ?? 0x82,
    u16(fields.packetId),
    version === 5 ? encodeProperties(fields.properties ?? {}) : Buffer.alloc(0),
    ...payload,
  );
}

export interface UnsubscribeFields {
  readonly packetId: number;
  readonly filters: readonly Text[];
  readonly properties?: Properties | Buffer;
  readonly firstByte?: number;
}

export function unsubscribe(version: Version, fields: UnsubscribeFields): Buffer {
  return frame(
    fields.firstByte ?? 0xa2,
    u16(fields.packetId),
    version === 5 ? encodeProperties(fields.properties ?? {}) : Buffer.alloc(0),
    ...fields.filters.map(field),
  );
}

export function pingreq(firstByte = 0xc0): Buffer {
  return frame(firstByte);
}

export interface ReasonFields {
  readonly reasonCode?: number;
  readonly properties?: Properties | Buffer;
  readonly firstByte?: number;
}

export function disconnect(version: Version, fields: ReasonFields = {}): Buffer {
  return reasonPacket(version, 0xe0, fields);
}

export function auth(fields: ReasonFields): Buffer {
  return reasonPacket(5, 0xf0, fields);
}

function reasonPacket(version: Version, firstByte: number, fields: ReasonFields): Buffer {
  const parts: Buffer[] = [];
  if (version === 5 && (fields.reasonCode !== undefined || fields.properties !== undefined)) {
    parts.push(u8(fields.reasonCode ?? 0));
    if (fields.properties !== undefined) parts.push(encodeProperties(fields.properties));
  }
  return frame(fields.firstByte ?? firstByte, ...parts);
}
