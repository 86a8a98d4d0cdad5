/** mqtt-packet as the oracle: what it makes of bytes, and our property names in its words. */
import * as mqttPacket from 'mqtt-packet';
import type { PropertyList } from './arbitraries.js';

export type OraclePacket = mqttPacket.Packet & Readonly<Record<string, unknown>>;

/** Every packet in `bytes`; throws what mqtt-packet emits as an error. */
export function parseAll(bytes: Buffer, isV5: boolean): OraclePacket[] {
  return parseChunks([bytes], isV5);
}

export function parseChunks(chunks: readonly Buffer[], isV5: boolean): OraclePacket[] {
  const parser = mqttPacket.parser({ protocolVersion: isV5 ? 5 : 4 });
  const packets: OraclePacket[] = [];
  let failure: Error | null = null;
  parser.on('packet', (packet) => packets.push(packet as OraclePacket));
  parser.on('error', (error: Error) => {
    failure ??= error;
  });
  for (const chunk of chunks) parser.parse(Buffer.from(chunk));
  if (failure !== null) throw failure;
  return packets;
}

/** The one packet in `bytes`. */
export function parseOne(bytes: Buffer, isV5: boolean): OraclePacket {
  const packets = parseAll(bytes, isV5);
  if (packets.length !== 1) throw new Error(`${packets.length} packets instead of one`);
  return packets[0];
}

export function generate(packet: object, isV5: boolean): Buffer {
  return mqttPacket.generate(packet as mqttPacket.Packet, { protocolVersion: isV5 ? 5 : 4 });
}

const renamed: Readonly<Record<string, string>> = { maximumQos: 'maximumQoS' };
const booleans: ReadonlySet<string> = new Set([
  'payloadFormatIndicator',
  'requestResponseInformation',
  'requestProblemInformation',
  'retainAvailable',
  'wildcardSubscriptionAvailable',
  'subscriptionIdentifiersAvailable',
  'sharedSubscriptionAvailable',
]);

/** A section as mqtt-packet’s `properties`; undefined when it is empty. */
export function oracleProperties(list: PropertyList): Record<string, unknown> | undefined {
  const properties: Record<string, unknown> = {};
  const users: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const one of list) {
    for (const [name, value] of Object.entries(one)) {
      if (name === 'userProperties') {
        for (const [key, text] of value as [string, string][]) users[key] = text;
        properties.userProperties = users;
      } else {
        properties[renamed[name] ?? name] = booleans.has(name) ? value === 1 : value;
      }
    }
  }
  return Object.keys(properties).length === 0 ? undefined : properties;
}
