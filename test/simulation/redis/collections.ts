/** Commands on hashes, sets and sorted sets. */
import { slotOf } from '../../../src/store/redis/slot.js';
import { general, parseNumber } from '../lua/number.js';
import type { Command } from './commands.js';
import type { Database } from './database.js';
import { ErrorReply, type Reply } from './reply.js';

/** Up to so many elements a scan gives all at once, as Redis does for what it keeps packed. */
const PACKED_ENTRIES = 128;

function read(least: number, run: Command['run']): Command {
  return { least, isWrite: false, keyAt: 1, run };
}

/** @param run answers, and whether it changed anything */
function write(
  least: number,
  run: (db: Database, args: readonly string[]) => readonly [Reply, boolean],
): Command {
  return {
    least,
    isWrite: true,
    keyAt: 1,
    run: (db, args) => {
      const [reply, hasChanged] = run(db, args);
      if (hasChanged) db.effects.push(args);
      return reply;
    },
  };
}

function flat(entries: Iterable<readonly [string, string]>): string[] {
  const parts: string[] = [];
  for (const [name, value] of entries) parts.push(name, value);
  return parts;
}

/** One step of a scan: elements in the order of a digest, which stands for Redis' buckets. */
function scan(entries: readonly (readonly [string, string])[], args: readonly string[]): Reply {
  const cursor = Number(args[2]);
  const count = args[3]?.toUpperCase() === 'COUNT' ? Number(args[4]) : 10;
  if (entries.length <= PACKED_ENTRIES) return ['0', flat(entries)];
  const placed = entries.map((entry) => ({ entry, place: slotOf(`x${entry[0]}`) + 1 }));
  placed.sort((a, b) => a.place - b.place);
  const found: (readonly [string, string])[] = [];
  let place = 0;
  for (const one of placed) {
    if (one.place < cursor) continue;
    if (found.length >= count && one.place !== place) return [String(one.place), flat(found)];
    found.push(one.entry);
    place = one.place;
  }
  return ['0', flat(found)];
}

const hashCommands: Readonly<Record<string, Command>> = {
  HGET: read(3, (db, [, key, field]) => db.hash(key!)?.get(field!) ?? null),
  HMGET: read(3, (db, [, key, ...fields]) => {
    const hash = db.hash(key!);
    return fields.map((field) => hash?.get(field) ?? null);
  }),
  HGETALL: read(2, (db, [, key]) => flat(db.hash(key!) ?? [])),
  HKEYS: read(2, (db, [, key]) => [...(db.hash(key!)?.keys() ?? [])]),
  HLEN: read(2, (db, [, key]) => db.hash(key!)?.size ?? 0),
  HEXISTS: read(3, (db, [, key, field]) => (db.hash(key!)?.has(field!) ? 1 : 0)),
  HSCAN: read(3, (db, args) => scan([...(db.hash(args[1]!) ?? [])], args)),
  HRANDFIELD: read(2, (db, [, key, count, option], { below }) => {
    const left = [...(db.hash(key!) ?? [])];
    const found: (readonly [string, string])[] = [];
    while (found.length < Number(count) && left.length > 0) {
      found.push(...left.splice(below(left.length), 1));
    }
    return option?.toUpperCase() === 'WITHVALUES' ? flat(found) : found.map(([name]) => name);
  }),
  HSET: write(4, (db, [name, key, ...parts]) => {
    if (parts.length % 2 !== 0) throw wrongCount(name!);
    const hash = db.hashToWrite(key!);
    let added = 0;
    for (let at = 0; at < parts.length; at += 2) {
      if (!hash.has(parts[at]!)) added++;
      hash.set(parts[at]!, parts[at + 1]!);
    }
    // Also when all was there before: that counts as a write.
    return [added, true];
  }),
  HDEL: write(3, (db, [, key, ...fields]) => {
    const hash = db.hash(key!);
    const removed = fields.filter((field) => hash?.delete(field)).length;
    if (hash !== null) db.dropIfEmpty(key!, hash.size);
    return [removed, removed > 0];
  }),
};

const setCommands: Readonly<Record<string, Command>> = {
  SADD: write(3, (db, [, key, ...members]) => {
    const set = db.setToWrite(key!);
    const before = set.size;
    for (const member of members) set.add(member);
    return [set.size - before, set.size > before];
  }),
  SREM: write(3, (db, [, key, ...members]) => {
    const set = db.set(key!);
    const removed = members.filter((member) => set?.delete(member)).length;
    if (set !== null) db.dropIfEmpty(key!, set.size);
    return [removed, removed > 0];
  }),
  SMEMBERS: read(2, (db, [, key]) => [...(db.set(key!) ?? [])]),
  SISMEMBER: read(3, (db, [, key, member]) => (db.set(key!)?.has(member!) ? 1 : 0)),
  SRANDMEMBER: read(3, (db, [, key, count], { below }) => {
    const left = [...(db.set(key!) ?? [])];
    const found: string[] = [];
    while (found.length < Number(count) && left.length > 0) {
      found.push(...left.splice(below(left.length), 1));
    }
    return found;
  }),
  SCARD: read(2, (db, [, key]) => db.set(key!)?.size ?? 0),
  SSCAN: read(3, (db, args) => {
    const members = [...(db.set(args[1]!) ?? [])].map((member) => [member, ''] as const);
    const [cursor, parts] = scan(members, args) as readonly [string, readonly string[]];
    return [cursor, parts.filter((_, at) => at % 2 === 0)];
  }),
};

const sortedCommands: Readonly<Record<string, Command>> = {
  ZADD: write(4, (db, [name, key, ...parts]) => {
    if (parts.length % 2 !== 0) throw wrongCount(name!);
    const scores = parts.filter((_, at) => at % 2 === 0).map(scoreOf);
    const sorted = db.sortedToWrite(key!);
    let added = 0;
    let isChanged = false;
    for (const [at, score] of scores.entries()) {
      const member = parts[2 * at + 1]!;
      if (!sorted.has(member)) added++;
      if (sorted.get(member) !== score) isChanged = true;
      sorted.set(member, score);
    }
    return [added, isChanged];
  }),
  ZREM: write(3, (db, [, key, ...members]) => {
    const sorted = db.sorted(key!);
    const removed = members.filter((member) => sorted?.delete(member)).length;
    if (sorted !== null) db.dropIfEmpty(key!, sorted.size);
    return [removed, removed > 0];
  }),
  ZINCRBY: write(4, (db, [, key, by, member]) => {
    const sorted = db.sortedToWrite(key!);
    const score = (sorted.get(member!) ?? 0) + scoreOf(by!);
    sorted.set(member!, score);
    return [scoreText(score), true];
  }),
  ZSCORE: read(3, (db, [, key, member]) => {
    const score = db.sorted(key!)?.get(member!);
    return score === undefined ? null : scoreText(score);
  }),
  ZCARD: read(2, (db, [, key]) => db.sorted(key!)?.size ?? 0),
  ZSCAN: read(3, (db, args) => scan(ordered(db, args[1]!).map(withText), args)),
  ZRANGE: read(4, (db, [, key, from, to, option]) => {
    const all = ordered(db, key!);
    const index = (text: string) => (Number(text) < 0 ? all.length + Number(text) : Number(text));
    const some = all.slice(Math.max(0, index(from!)), index(to!) + 1);
    return members(some, option?.toUpperCase() === 'WITHSCORES');
  }),
  ZRANGEBYSCORE: read(4, (db, [, key, from, to, ...options]) => {
    const isAbove = bound(from!, (score, limit) => score > limit);
    const isBelow = bound(to!, (score, limit) => score < limit);
    let some = ordered(db, key!).filter(([, score]) => isAbove(score) && isBelow(score));
    const limitAt = options.findIndex((option) => option.toUpperCase() === 'LIMIT');
    if (limitAt >= 0) {
      const offset = Number(options[limitAt + 1]);
      const count = Number(options[limitAt + 2]);
      some = some.slice(offset, count < 0 ? undefined : offset + count);
    }
    return members(
      some,
      options.some((option) => option.toUpperCase() === 'WITHSCORES'),
    );
  }),
};

function ordered(db: Database, key: string): [string, number][] {
  const all = [...(db.sorted(key) ?? [])];
  return all.sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1));
}

function members(some: readonly [string, number][], withScores: boolean): string[] {
  return withScores ? flat(some.map(withText)) : some.map(([member]) => member);
}

function withText([member, score]: readonly [string, number]): [string, string] {
  return [member, scoreText(score)];
}

function scoreText(score: number): string {
  return general(score, 17);
}

function scoreOf(text: string): number {
  const score = parseNumber(text);
  if (score === undefined || Number.isNaN(score))
    throw new ErrorReply('ERR value is not a valid float');
  return score;
}

function bound(text: string, isBeyond: (score: number, limit: number) => boolean) {
  const isOpen = text.startsWith('(');
  const limit = scoreOf(isOpen ? text.slice(1) : text);
  return (score: number) => isBeyond(score, limit) || (!isOpen && score === limit);
}

function wrongCount(name: string): ErrorReply {
  return new ErrorReply(`ERR wrong number of arguments for '${name.toLowerCase()}' command`);
}

export const collectionCommands: Readonly<Record<string, Command>> = {
  ...hashCommands,
  ...setCommands,
  ...sortedCommands,
};
