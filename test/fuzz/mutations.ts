/** Ways to spoil a session: a list of packets becomes a list of byte strings that are sent. */
import type { Random } from './random.js';

type Mutation = (random: Random, packets: readonly Buffer[]) => Buffer[];

/** Bytes that stand at borders of types, lengths and texts. */
const nasty = [0x00, 0x01, 0x7f, 0x80, 0xc0, 0xed, 0xf4, 0xfe, 0xff];

function replaceOne(
  random: Random,
  packets: readonly Buffer[],
  change: (packet: Buffer) => Buffer,
): Buffer[] {
  const at = random.below(packets.length);
  return packets.map((packet, index) => (index === at ? change(Buffer.from(packet)) : packet));
}

const flipBits: Mutation = (random, packets) =>
  replaceOne(random, packets, (packet) => {
    for (let flips = random.between(1, 4); flips > 0; flips--) {
      packet[random.below(packet.length)] ^= 1 << random.below(8);
    }
    return packet;
  });

const setBytes: Mutation = (random, packets) =>
  replaceOne(random, packets, (packet) => {
    for (let count = random.between(1, 3); count > 0; count--) {
      packet[random.below(packet.length)] = random.pick(nasty);
    }
    return packet;
  });

/** The header and what directly follows it, where a change hurts most. */
const spoilHead: Mutation = (random, packets) =>
  replaceOne(random, packets, (packet) => {
    packet[random.below(Math.min(packet.length, 8))] = random.below(256);
    return packet;
  });

const truncate: Mutation = (random, packets) =>
  replaceOne(random, packets, (packet) => packet.subarray(0, random.below(packet.length)));

const insert: Mutation = (random, packets) =>
  replaceOne(random, packets, (packet) => {
    const at = random.below(packet.length + 1);
    const added = random.chance(50)
      ? random.bytes(random.between(1, 8))
      : Buffer.of(random.pick(nasty));
    return Buffer.concat([packet.subarray(0, at), added, packet.subarray(at)]);
  });

const remove: Mutation = (random, packets) =>
  replaceOne(random, packets, (packet) => {
    const at = random.below(packet.length);
    const end = Math.min(packet.length, at + random.between(1, 4));
    return Buffer.concat([packet.subarray(0, at), packet.subarray(end)]);
  });

/** The start of one packet with the end of another. */
const splice: Mutation = (random, packets) => {
  const other = random.pick(packets);
  return replaceOne(random, packets, (packet) =>
    Buffer.concat([
      packet.subarray(0, random.below(packet.length + 1)),
      other.subarray(random.below(other.length + 1)),
    ]),
  );
};

const swap: Mutation = (random, packets) => {
  const order = [...packets];
  const [from, to] = [random.below(order.length), random.below(order.length)];
  [order[from], order[to]] = [order[to], order[from]];
  return order;
};

const repeat: Mutation = (random, packets) => {
  const at = random.below(packets.length);
  const times = random.pick([1, 2, 20]);
  const copies = Array.from({ length: times }, () => packets[at]);
  return [...packets.slice(0, at), ...copies, ...packets.slice(at)];
};

const drop: Mutation = (random, packets) => {
  const at = random.below(packets.length);
  return packets.length === 1 ? [...packets] : packets.filter((_, index) => index !== at);
};

/** A Remaining Length that is not the packet's. */
const spoilLength: Mutation = (random, packets) =>
  replaceOne(random, packets, (packet) => {
    const length = random.pick([
      '00',
      '01',
      '7f',
      '8000',
      '8001',
      'ffff7f',
      'ffffff7f',
      '80808080',
    ]);
    return Buffer.concat([packet.subarray(0, 1), Buffer.from(length, 'hex'), packet.subarray(2)]);
  });

const mutations: readonly Mutation[] = [
  flipBits,
  flipBits,
  setBytes,
  spoilHead,
  truncate,
  insert,
  remove,
  splice,
  swap,
  repeat,
  drop,
  spoilLength,
];

/** The session with `count` things wrong. */
export function mutate(random: Random, packets: readonly Buffer[], count: number): Buffer[] {
  let mutated = [...packets];
  for (; count > 0; count--) {
    mutated = random
      .pick(mutations)(random, mutated)
      .filter((bytes) => bytes.length > 0);
    if (mutated.length === 0) return [Buffer.of(0)];
  }
  return mutated;
}

/** The same bytes in other pieces: joined, one by one, or cut anywhere. */
export function rechunk(random: Random, packets: readonly Buffer[]): Buffer[] {
  const style = random.below(4);
  if (style === 0) return [...packets];
  const all = Buffer.concat(packets);
  if (style === 1) return [all];
  if (style === 2 && all.length < 200) return Array.from(all, (byte) => Buffer.of(byte));
  const chunks: Buffer[] = [];
  for (let at = 0; at < all.length; ) {
    const size = random.pick([1, 2, 3, 7, 50, 1000, 30_000]);
    chunks.push(all.subarray(at, at + size));
    at += size;
  }
  return chunks;
}
