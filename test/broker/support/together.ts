/** Packets that come in one read. */
import * as mqttPacket from 'mqtt-packet';
import type { FakeClient } from './fake-broker.js';

export type Publish = Partial<mqttPacket.IPublishPacket> & { readonly topic: string };

export function bytesOf(version: 4 | 5, publish: Publish): Buffer {
  const rest = { cmd: 'publish', qos: 0, dup: false, retain: false, payload: '' } as const;
  return mqttPacket.generate({ ...rest, ...publish }, { protocolVersion: version });
}

/** All packets in one read. */
export function sendTogether(
  client: FakeClient,
  version: 4 | 5,
  packets: readonly Publish[],
): void {
  client.sendBytes(Buffer.concat(packets.map((packet) => bytesOf(version, packet))));
}
