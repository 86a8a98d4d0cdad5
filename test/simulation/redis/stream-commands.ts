/** Commands on streams. XREAD here never blocks: waiting is the server's. */
import type { Command } from './commands.js';
import type { Database } from './database.js';
import { ErrorReply, type Reply } from './reply.js';
import { compare, type Entry, idText, parseId, type StreamId } from './stream.js';

const ALL = Number.MAX_SAFE_INTEGER;

function entryReply(entry: Entry): Reply {
  return [idText(entry), entry.fields];
}

/** `MAXLEN|MINID [=|~] value`; returns where it ends. */
function trimOf(
  args: readonly string[],
  at: number,
): { end: number; run: (db: Database) => number } {
  const kind = args[at]!.toUpperCase();
  const isMarked = args[at + 1] === '~' || args[at + 1] === '=';
  const limit = args[at + (isMarked ? 2 : 1)]!;
  const isExact = args[at + 1] !== '~';
  const run = (db: Database): number => {
    const stream = db.stream(args[1]!);
    if (stream === null) return 0;
    if (kind === 'MAXLEN') return stream.trimTo(Number(limit), isExact);
    if (kind !== 'MINID') throw new ErrorReply('ERR syntax error');
    return stream.trimBelow(parseId(limit, 0));
  };
  return { end: at + (isMarked ? 3 : 2), run };
}

function after({ ms, seq }: StreamId): StreamId {
  return { ms, seq: seq + 1 };
}

/** `XREAD [COUNT n] [BLOCK ms] STREAMS key id`, of one stream. */
export interface Read {
  readonly key: string;
  readonly from: string;
  readonly count: number;
  /** Milliseconds; -1: it does not wait. */
  readonly blockMs: number;
}

export function parseRead(args: readonly string[]): Read {
  let count = ALL;
  let blockMs = -1;
  let at = 1;
  for (; args[at]?.toUpperCase() !== 'STREAMS'; at += 2) {
    const option = args[at]?.toUpperCase();
    if (option === 'COUNT') count = Number(args[at + 1]);
    else if (option === 'BLOCK') blockMs = Number(args[at + 1]);
    else throw new ErrorReply('ERR syntax error');
  }
  if (args.length !== at + 3) throw new ErrorReply('ERR one stream only');
  return { key: args[at + 1]!, from: args[at + 2]!, count, blockMs };
}

/** Null: there is nothing yet. */
export function readStream(db: Database, { count, from, key }: Read): Reply {
  const stream = db.stream(key);
  if (stream === null) return null;
  const start = from === '$' ? stream.last : parseId(from, 0);
  const found = stream.range(after(start), parseId('+', 0), count);
  return found.length === 0 ? null : [[key, found.map(entryReply)]];
}

export const streamCommands: Readonly<Record<string, Command>> = {
  XADD: {
    least: 5,
    isWrite: true,
    keyAt: 1,
    run: (db, args, { nowUs }) => {
      const key = args[1]!;
      let at = 2;
      let trim: ((db: Database) => number) | null = null;
      if (/^(maxlen|minid)$/i.test(args[at]!)) ({ end: at, run: trim } = trimOf(args, at));
      const fields = args.slice(at + 1);
      if (fields.length === 0 || fields.length % 2 !== 0) {
        throw new ErrorReply("ERR wrong number of arguments for 'xadd' command");
      }
      const isAuto = args[at] === '*';
      const given = isAuto ? null : parseId(args[at]!, 0);
      const last = db.stream(key)?.last ?? { ms: 0, seq: 0 };
      if (given !== null && compare(given, last) <= 0) db.stream(key)?.add(given, fields);
      const stream = db.streamToWrite(key);
      const id = given ?? stream.nextId(Math.floor(nowUs() / 1000));
      stream.add(id, fields);
      trim?.(db);
      db.effects.push([...args.slice(0, at), idText(id), ...fields]);
      db.grown.push(key);
      return idText(id);
    },
  },
  XTRIM: {
    least: 4,
    isWrite: true,
    keyAt: 1,
    run: (db, args) => {
      const count = trimOf(args, 2).run(db);
      if (count > 0) db.effects.push(args);
      return count;
    },
  },
  XDEL: {
    least: 3,
    isWrite: true,
    keyAt: 1,
    run: (db, args) => {
      const stream = db.stream(args[1]!);
      const count = args.slice(2).filter((id) => stream?.delete(parseId(id, 0))).length;
      if (count > 0) db.effects.push(args);
      return count;
    },
  },
  XLEN: {
    least: 2,
    isWrite: false,
    keyAt: 1,
    run: (db, [, key]) => db.stream(key!)?.entries.length ?? 0,
  },
  XRANGE: {
    least: 4,
    isWrite: false,
    keyAt: 1,
    run: (db, [, key, from, to, , count]) => {
      const limit = count === undefined ? ALL : Number(count);
      const found = db.stream(key!)?.range(startOf(from!), parseId(to!, ALL), limit) ?? [];
      return found.map(entryReply);
    },
  },
  XREAD: {
    least: 4,
    isWrite: false,
    keyAt: 0,
    run: (db, args) => readStream(db, parseRead(args)),
  },
};

/** Where a range begins: `(` leaves the entry itself out. */
function startOf(text: string): ReturnType<typeof parseId> {
  if (!text.startsWith('(')) return parseId(text, 0);
  const { ms, seq } = parseId(text.slice(1), 0);
  return { ms, seq: seq + 1 };
}
