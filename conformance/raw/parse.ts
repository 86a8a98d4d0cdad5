/**
 * Bytes from the broker → packets, strictly: what a standard does not allow is reported as a
 * breach, and decoding goes on as far as it can.
 */
import { isUtf8 } from 'node:buffer';
import type { Version } from './build.js';
import { hex } from './bytes.js';
import { code, emptyPacket, type Packet, packetTypes } from './packet.js';
import {
  allowedFromServer,
  type PropertyName,
  propertyNames,
  propertyTable,
} from './properties.js';
import { type Breach, codesV3, codesV5, type Rule } from './rules.js';

class CutShort extends Error {}

/** Splits a stream into packets. `null`: more bytes are needed. */
export function nextFrame(bytes: Buffer, breaches: Breach[]): Buffer | null {
  let length = 0;
  for (let at = 1; at < bytes.length; at++) {
    if (at > 4) {
      breaches.push({ rule: 'varint', text: `remaining length of five bytes: ${hex(bytes)}` });
      return bytes;
    }
    length += (bytes[at] & 0x7f) * 128 ** (at - 1);
    if (bytes[at] >= 0x80) continue;
    if (at > 1 && bytes[at] === 0) {
      breaches.push({ rule: 'varint', text: `overlong remaining length: ${hex(bytes)}` });
    }
    const end = at + 1 + length;
    return bytes.length < end ? null : bytes.subarray(0, end);
  }
  return null;
}

/** Decodes one whole packet. */
export function parsePacket(bytes: Buffer, version: Version, breaches: Breach[]): Packet {
  const type = packetTypes[bytes[0] >> 4];
  const packet = emptyPacket(type, bytes[0] & 0x0f, bytes);
  const reader = new Reader(bytes, version, packet, breaches);
  try {
    reader.readPacket();
  } catch (error) {
    if (!(error instanceof CutShort)) throw error;
    reader.breach('layout', `cut short: ${hex(bytes)}`);
  }
  return packet;
}

class Reader {
  private at: number;
  private readonly bytes: Buffer;
  private readonly version: Version;
  private readonly packet: Packet;
  private readonly breaches: Breach[];

  constructor(bytes: Buffer, version: Version, packet: Packet, breaches: Breach[]) {
    this.bytes = bytes;
    this.version = version;
    this.packet = packet;
    this.breaches = breaches;
    this.at = 1;
    while (bytes[this.at++] >= 0x80);
  }

  breach(rule: Rule, text: string): void {
    this.breaches.push({ rule, text: `${this.packet.type.toUpperCase()}: ${text}` });
  }

  readPacket(): void {
    const { packet } = this;
    const flags = packet.type === 'pubrel' ? 2 : 0;
    if (packet.type !== 'publish' && packet.flags !== flags) {
      this.breach('flags', `flags ${packet.flags}, not ${flags}`);
    }
    switch (packet.type) {
      case 'connack':
        this.readConnack();
        break;
      case 'publish':
        this.readPublish();
        break;
      case 'puback':
      case 'pubrec':
      case 'pubrel':
      case 'pubcomp':
        packet.packetId = this.readPacketId();
        if (this.version === 5) this.readReasonAndProperties();
        break;
      case 'suback':
      case 'unsuback':
        this.readFilterAck();
        break;
      case 'pingresp':
        break;
      case 'disconnect':
      case 'auth':
        if (this.version === 5) this.readReasonAndProperties();
        else this.breach('layout', 'not a packet that a 3.x server sends');
        break;
      default:
        this.breach('layout', `not a packet that a server sends: ${hex(this.bytes)}`);
        return;
    }
    if (this.left() > 0)
      this.breach('layout', `${this.left()} bytes left over: ${hex(this.bytes)}`);
  }

  private readConnack(): void {
    const { packet } = this;
    const flags = this.u8();
    packet.reasonCode = this.u8();
    packet.sessionPresent = (flags & 1) === 1;
    if (flags > (this.version === 3 ? 0 : 1)) this.breach('connack-flags', `flags ${code(flags)}`);
    if (packet.reasonCode !== 0 && packet.sessionPresent) {
      this.breach('connack-session', `Session Present 1 with ${code(packet.reasonCode)}`);
    }
    // A server may answer a 5.0 CONNECT that it refuses with a CONNACK of 3.1.1 (section 3.1.2.2).
    if (this.version === 5 && (this.left() > 0 || packet.reasonCode !== 1)) {
      this.checkCode(packet.reasonCode);
      this.readProperties();
    } else if (this.version !== 5) this.checkCode(packet.reasonCode);
  }

  private readPublish(): void {
    const { packet } = this;
    packet.qos = (packet.flags >> 1) & 3;
    packet.dup = (packet.flags & 8) !== 0;
    packet.retain = (packet.flags & 1) !== 0;
    if (packet.qos === 3) this.breach('qos-3', 'QoS 3');
    if (packet.qos === 0 && packet.dup) this.breach('qos-0-dup', 'DUP 1 at QoS 0');
    packet.topicBytes = this.field();
    packet.topic = this.text(packet.topicBytes, 'topic name');
    if (/[+#]/.test(packet.topic)) this.breach('topic', `wildcard in topic name ${packet.topic}`);
    if (packet.qos > 0) packet.packetId = this.readPacketId();
    if (this.version === 5) this.readProperties();
    const { properties } = packet;
    if (packet.topic === '' && properties.topicAlias === undefined) {
      this.breach('topic', 'empty topic name');
    }
    if (properties.topicAlias === 0) this.breach('topic-alias', 'Topic Alias 0');
    if (/[+#]/.test(String(properties.responseTopic ?? ''))) {
      this.breach('topic', `wildcard in Response Topic ${String(properties.responseTopic)}`);
    }
    packet.payload = this.bytes.subarray(this.at);
    this.at = this.bytes.length;
  }

  private readFilterAck(): void {
    const { packet } = this;
    packet.packetId = this.readPacketId();
    if (this.version === 5) this.readProperties();
    if (this.version !== 5 && packet.type === 'unsuback') return;
    packet.reasonCodes = [...this.bytes.subarray(this.at)];
    this.at = this.bytes.length;
    if (packet.reasonCodes.length === 0) this.breach('layout', 'no reason codes');
    for (const reasonCode of packet.reasonCodes) this.checkCode(reasonCode);
  }

  private readReasonAndProperties(): void {
    if (this.left() === 0) return;
    this.packet.reasonCode = this.u8();
    this.checkCode(this.packet.reasonCode);
    if (this.left() > 0) this.readProperties();
  }

  private checkCode(reasonCode: number): void {
    const { type } = this.packet;
    const known = (this.version === 5 ? codesV5 : codesV3)[type];
    if (known?.includes(reasonCode)) return;
    this.breach(`code-${type}` as Rule, `code ${code(reasonCode)} is not one of this packet`);
  }

  private readProperties(): void {
    const length = this.varint();
    const end = this.at + length;
    if (end > this.bytes.length) {
      this.breach('properties', `Property Length ${length} goes past the packet`);
      throw new CutShort();
    }
    const found: Record<string, unknown> = {};
    while (this.at < end) this.readProperty(found);
    if (this.at !== end) this.breach('properties', `Property Length ${length} cuts a property`);
    this.packet.properties = found;
  }

  private readProperty(found: Record<string, unknown>): void {
    const id = this.varint();
    const name = propertyNames.get(id);
    if (name === undefined) {
      this.breach('properties', `unknown property ${code(id)}`);
      throw new CutShort();
    }
    if (!allowedFromServer[this.packet.type]?.includes(name)) {
      this.breach('properties', `may not have ${name}`);
    }
    const value = this.readValue(name);
    if (name === 'userProperties' || name === 'subscriptionIdentifiers') {
      const list = (found[name] as unknown[] | undefined) ?? [];
      found[name] = [...list, value];
      return;
    }
    if (found[name] !== undefined) this.breach('properties', `${name} twice`);
    found[name] = value;
    this.checkValue(name, value);
  }

  private checkValue(name: PropertyName, value: unknown): void {
    const isFlag =
      ['maximumQos', 'retainAvailable', 'payloadFormatIndicator'].includes(name) ||
      name.endsWith('Available');
    const isPositive = ['receiveMaximum', 'maximumPacketSize'].includes(name);
    if ((isFlag && (value as number) > 1) || (isPositive && value === 0)) {
      this.breach('properties', `${name} ${String(value)}`);
    }
  }

  private readValue(name: PropertyName): unknown {
    switch (propertyTable[name][1]) {
      case 'u8':
        return this.u8();
      case 'u16':
        return this.u16();
      case 'u32':
        return this.u16() * 65536 + this.u16();
      case 'varint': {
        const value = this.varint();
        if (value === 0) this.breach('properties', `${name} 0`);
        return value;
      }
      case 'binary':
        return this.field();
      case 'text':
        return this.text(this.field(), name);
      case 'pair':
        return [this.text(this.field(), name), this.text(this.field(), name)];
    }
  }

  private readPacketId(): number {
    const packetId = this.u16();
    if (packetId === 0) this.breach('packet-id-zero', 'Packet Identifier 0');
    return packetId;
  }

  private text(bytes: Buffer, what: string): string {
    if (!isUtf8(bytes)) this.breach('utf8', `ill-formed UTF-8 in ${what}: ${hex(bytes)}`);
    if (bytes.includes(0)) this.breach('utf8', `U+0000 in ${what}: ${hex(bytes)}`);
    return bytes.toString('utf8');
  }

  private field(): Buffer {
    return this.take(this.u16());
  }

  private varint(): number {
    let value = 0;
    for (let shift = 0; shift < 4; shift++) {
      const byte = this.u8();
      value += (byte & 0x7f) * 128 ** shift;
      if (byte >= 0x80) continue;
      if (shift > 0 && byte === 0) this.breach('varint', 'overlong Variable Byte Integer');
      return value;
    }
    this.breach('varint', 'Variable Byte Integer of five bytes');
    throw new CutShort();
  }

  private u8(): number {
    return this.take(1)[0];
  }

  private u16(): number {
    return this.take(2).readUInt16BE();
  }

  private take(count: number): Buffer {
    if (this.left() < count) throw new CutShort();
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  private left(): number {
    return this.bytes.length - this.at;
  }
}
