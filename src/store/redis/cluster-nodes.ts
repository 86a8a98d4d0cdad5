/** CLUSTER NODES: all nodes of a cluster, also those that are down, as one of them sees it. */
import { type Address, addressText } from './connection.js';
import { SLOTS } from './slot.js';

export interface SeenNode {
  readonly id: string;
  readonly address: Address;
  /** The one that was asked. */
  readonly isSelf: boolean;
  readonly isPrimary: boolean;
  /** Null: a primary. */
  readonly primaryId: string | null;
  /** `fail`, `fail?`, `handshake`, `noaddr`, … */
  readonly flags: readonly string[];
  /** First and last, of each range. */
  readonly ranges: readonly (readonly [number, number])[];
  /** Slots that are on their way, by the node's own word only. */
  readonly moving: readonly number[];
}

/** @param asked where the answer comes from: a node may not know its own address */
export function parseClusterNodes(text: string, asked: Address): SeenNode[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => parseLine(line.trim(), asked));
}

/** `id host:port@bus[,name] flags primary ping pong epoch link slot…` */
function parseLine(line: string, asked: Address): SeenNode {
  const [id = '', place = '', flagText = '', primary = '-', , , , , ...slots] = line.split(' ');
  const flags = flagText.split(',');
  const isPrimary = flags.includes('master');
  return {
    id,
    address: addressOf(place, asked),
    isSelf: flags.includes('myself'),
    isPrimary,
    primaryId: isPrimary || primary === '-' ? null : primary,
    flags: flags.filter((flag) => !['myself', 'master', 'slave', 'noflags'].includes(flag)),
    ranges: slots.filter((slot) => !slot.startsWith('[')).map(rangeOf),
    moving: slots.filter((slot) => slot.startsWith('[')).map((slot) => parseInt(slot.slice(1), 10)),
  };
}

/** `10.0.0.1:6379@16379`, or with `,name` behind it. */
function addressOf(place: string, asked: Address): Address {
  const [socket = '', name = ''] = place.split(',');
  const plain = socket.split('@')[0]!;
  const colon = plain.lastIndexOf(':');
  const host = plain.slice(0, colon);
  return { host: host || name || asked.host, port: Number(plain.slice(colon + 1)) };
}

function rangeOf(text: string): readonly [number, number] {
  const [first, last] = text.split('-').map(Number);
  return [first!, last ?? first!];
}

/** `0-99, 200`: the slots that no node serves; empty: all are served. */
export function unservedSlots(nodes: readonly SeenNode[]): { count: number; text: string } {
  const isServed = new Uint8Array(SLOTS);
  for (const { flags, ranges } of nodes) {
    if (flags.includes('fail')) continue;
    for (const [first, last] of ranges) isServed.fill(1, first, last + 1);
  }
  const ranges: (readonly [number, number])[] = [];
  for (let slot = 0; slot < SLOTS; slot++) {
    if (isServed[slot] === 1) continue;
    let last = slot;
    while (last + 1 < SLOTS && isServed[last + 1] === 0) last++;
    ranges.push([slot, last]);
    slot = last;
  }
  const count = ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  return { count, text: rangesText(ranges) };
}

export function rangesText(ranges: SeenNode['ranges']): string {
  return ranges.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(', ');
}

/** Names of nodes by id. */
export function namesOf(nodes: readonly SeenNode[]): Map<string, string> {
  return new Map(nodes.map(({ address, id }) => [id, addressText(address)]));
}
