/** What tests of the cluster say about messages, in a word or two. */
import * as assert from 'uvu/assert';
import type { Packet } from '../../conformance/raw/packet.js';
import type { RawClient } from '../../conformance/raw-client.js';
import { until } from '../support/until.js';

/** PUBACK or PUBREC when nobody subscribes. */
export const NO_MATCHING_SUBSCRIBERS = 0x10;
export const SESSION_TAKEN_OVER = 0x8e;

export function payloads(packets: readonly Packet[]): string[] {
  return packets.map((one) => String(one.payload));
}

/** `0`, `1`, … `count - 1`. */
export function numbers(count: number, prefix = ''): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at}`);
}

/** The next messages, acknowledged, are these, in this order. */
export async function expectPayloads(client: RawClient, expected: string[]): Promise<void> {
  assert.equal(payloads(await client.receiveAll(expected.length)), expected);
}

/** Publishes each payload when the one before has been acknowledged. */
export async function publishAll(
  client: RawClient,
  topic: string,
  texts: readonly string[],
  qos: number,
): Promise<void> {
  for (const text of texts) await client.publish(topic, text, { qos });
}

/** Publishes at QoS 1 until the answer says that nobody, or that somebody, subscribes. */
export async function untilMatched(
  client: RawClient,
  topic: string,
  isMatched: boolean,
  deadlineMs: number,
): Promise<void> {
  const isSo = async () => {
    const answer = await client.publish(topic, 'is anybody there', { qos: 1 });
    return (answer?.reasonCode !== NO_MATCHING_SUBSCRIBERS) === isMatched;
  };
  await until(`${topic} to have ${isMatched ? 'a' : 'no'} subscriber`, isSo, { deadlineMs });
}
