/** The commands on keys that our code sends, and that its scripts call. */
import { collectionCommands } from './collections.js';
import type { Database } from './database.js';
import { ErrorReply, OK, type Reply } from './reply.js';
import { streamCommands } from './stream-commands.js';

export interface Context {
  /** Microseconds since 1970. */
  readonly nowUs: () => number;
  /** Draws for what Redis does at random. */
  readonly below: (bound: number) => number;
}

export interface Command {
  /** Fewest arguments, its name included. */
  readonly least: number;
  readonly isWrite: boolean;
  /** Index of its key; 0: none. */
  readonly keyAt: number;
  /** @throws ErrorReply */
  run(db: Database, args: readonly string[], context: Context): Reply;
}

const plain: Readonly<Record<string, Command>> = {
  TIME: {
    least: 1,
    isWrite: false,
    keyAt: 0,
    run: (_db, _args, { nowUs }) => {
      const us = nowUs();
      return [String(Math.floor(us / 1_000_000)), String(us % 1_000_000)];
    },
  },
  EXISTS: {
    least: 2,
    isWrite: false,
    keyAt: 1,
    run: (db, [, ...keys]) => keys.filter((key) => db.keys.has(key)).length,
  },
  DEL: {
    least: 2,
    isWrite: true,
    keyAt: 1,
    run: (db, args) => {
      const count = args.slice(1).filter((key) => db.keys.delete(key)).length;
      if (count > 0) db.effects.push(args);
      return count;
    },
  },
  // Of MIGRATE only: clients do not send it.
  RESTORE: {
    least: 3,
    isWrite: true,
    keyAt: 1,
    run: (db, args) => {
      db.restore(args[1]!, args[2]!);
      db.effects.push(args);
      db.grown.push(args[1]!);
      return OK;
    },
  },
  GET: { least: 2, isWrite: false, keyAt: 1, run: (db, [, key]) => db.text(key!) },
  SET: {
    least: 3,
    isWrite: true,
    keyAt: 1,
    run: (db, args) => {
      const [, key, value, ...options] = args;
      const flags = options.map((option) => option.toUpperCase());
      const before = flags.includes('GET') ? db.text(key!) : null;
      const isKept = flags.includes('NX') && db.keys.has(key!);
      if (!isKept) {
        db.keys.set(key!, value!);
        db.effects.push(args);
      }
      if (flags.includes('GET')) return before;
      return isKept ? null : OK;
    },
  },
};

const commands: Readonly<Record<string, Command>> = {
  ...plain,
  ...collectionCommands,
  ...streamCommands,
};

/** @throws ErrorReply */
export function commandOf(args: readonly string[]): Command {
  const command = commands[args[0]!.toUpperCase()];
  if (command === undefined) throw new ErrorReply(`ERR unknown command '${args[0]}'`);
  if (args.length >= command.least) return command;
  const name = args[0]!.toLowerCase();
  throw new ErrorReply(`ERR wrong number of arguments for '${name}' command`);
}
