/**
 * A range of slots moves to another primary, with their keys, while brokers use them: as
 * `redis-cli --cluster reshard` does it, slot by slot.
 *
 * What MIGRATE writes is not waited for by anybody, so nothing else may happen to the primaries
 * until the new one's replica has it: that is for people who reshard, not for brokers.
 */
import { slotOf } from '../../../src/store/redis/slot.js';
import type { ClusterNode, RedisCluster } from '../../support/redis-cluster.js';
import { until } from '../../support/until.js';

/** The range is so wide, as far as one primary has it. */
const slotsMax = 1_200;

/** @param primaries all of them */
export async function moveRange(
  cluster: RedisCluster,
  primaries: readonly ClusterNode[],
  pick: number,
): Promise<void> {
  const from = primaries[pick % primaries.length];
  const to = primaries[(pick + 1 + (pick % (primaries.length - 1))) % primaries.length];
  const owned = await slotsOf(from);
  // Where there is something: around one of the keys.
  const keys = (await from.server.command('KEYS', '*')) as string[];
  const used = [...new Set(keys.map(slotIn))].filter((slot) => owned.has(slot));
  const first = used[pick % used.length] ?? 0;
  const last = first + slotsMax;
  const range = [...owned].filter((slot) => slot >= first && slot < last);
  for (const slot of range) await cluster.moveSlot(slot, from, to);
  await until('all nodes to know who has which slots', () => isAgreed(cluster), {
    deadlineMs: 30_000,
  });
  await untilCopied(to);
}

function slotIn(key: string): number {
  return slotOf(/\{(.+?)\}/.exec(key)?.[1] ?? key);
}

async function slotsOf(node: ClusterNode): Promise<Set<number>> {
  const text = String(await node.server.command('CLUSTER', 'NODES'));
  const line = text.split('\n').find((one) => one.includes('myself')) ?? '';
  const slots = new Set<number>();
  for (const range of line.split(' ').slice(8)) {
    const [from, to = from] = range.split('-').map(Number);
    for (let slot = from; slot <= to; slot++) slots.add(slot);
  }
  return slots;
}

async function isAgreed({ nodes }: RedisCluster): Promise<boolean> {
  const views = await Promise.all(
    nodes.map(async ({ server }) => {
      const lines = String(await server.command('CLUSTER', 'NODES')).split('\n');
      const claims = lines.map((line) => line.split(' ')).filter((parts) => parts.length > 8);
      return claims.map(([id, , , , , , , , ...ranges]) => `${id} ${ranges.join(' ')}`).sort();
    }),
  );
  return new Set(views.map((view) => view.join('\n'))).size === 1;
}

/** The primary's replica has all that the primary has now. */
async function untilCopied({ server }: ClusterNode): Promise<void> {
  const goal = Number(await server.info('master_repl_offset'));
  const isThere = async (): Promise<boolean> => {
    const replica = await server.info('slave0');
    return Number(/offset=(\d+)/.exec(replica)?.[1] ?? 0) >= goal;
  };
  await until('the replica of the new owner', isThere, { deadlineMs: 30_000 });
}
