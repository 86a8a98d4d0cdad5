/** EVALSHA: runs compiled scripts on a database, and turns values into replies and back. */
import { createHash } from 'node:crypto';
import { compile, type Script } from '../lua/compiler.js';
import { general, toText } from '../lua/number.js';
import { LuaError, LuaTable, type LuaValue, Multi, tableOf, typeName } from '../lua/value.js';
import { type Context, commandOf } from './commands.js';
import type { Database } from './database.js';
import { ErrorReply, type Reply, Status } from './reply.js';

/** Compiled once per process: servers only know which ones they were given. */
const compiled = new Map<string, Script>();

/** @returns the digest by which the script is called */
export function loadScript(source: string): string {
  const sha = sha1(source);
  if (!compiled.has(sha)) {
    compiled.set(sha, compile(Buffer.from(source, 'latin1').toString('utf8')));
  }
  return sha;
}

/** Runs a script that was loaded. @throws ErrorReply */
export function runScript(
  sha: string,
  keys: readonly string[],
  args: readonly string[],
  db: Database,
  context: Context,
): Reply {
  const script = compiled.get(sha)!;
  try {
    const result = script(tableOf(keys), tableOf(args), redisLibrary(keys, db, context));
    return toReply(result instanceof Multi ? result.values[0] : result);
  } catch (error) {
    if (error instanceof ScriptFault) throw error;
    throw asErrorReply(error);
  }
}

/** A fault of a script that Redis would show only now and then. */
export class ScriptFault extends Error {}

function asErrorReply(error: unknown): ErrorReply {
  if (error instanceof ErrorReply) return error;
  if (!(error instanceof LuaError)) {
    const text = error instanceof Error ? error.stack : String(error);
    return new ErrorReply(`ERR the script failed: ${text}`);
  }
  const { value } = error;
  if (value instanceof LuaTable) return new ErrorReply(toText(value.get('err')));
  return new ErrorReply(`ERR ${String(value)}`);
}

function redisLibrary(keys: readonly string[], db: Database, context: Context): LuaTable {
  const redis = new LuaTable();
  const checked = keys.every((key) => db.keys.has(key)) ? keys : [];
  const gone = new Set<string>();
  redis.set('call', (...values) => {
    const args = values.map(toArgument);
    const command = commandOf(args);
    if (command.keyAt > 0) refuseGone(args[command.keyAt]!, gone);
    const reply = toLua(command.run(db, args, context));
    for (const key of checked) if (!db.keys.has(key)) gone.add(key);
    return reply;
  });
  redis.set('sha1hex', (text) => sha1(toText(text)));
  redis.set('error_reply', (text) => {
    const table = new LuaTable();
    const message = toText(text);
    // Redis puts a code before what has none.
    table.set('err', message.includes(' ') ? message.replace(/^-/, '') : `ERR ${message}`);
    return table;
  });
  redis.set('status_reply', (text) => {
    const table = new LuaTable();
    table.set('ok', text);
    return table;
  });
  return redis;
}

/** In a slot that is on its way, Redis takes a key that is gone for one on the other server. */
function refuseGone(key: string, gone: ReadonlySet<string>): void {
  if (!gone.has(key)) return;
  throw new ScriptFault(`a script that deleted ${key} touches it again: half-way, if a slot moves`);
}

function toArgument(value: LuaValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return general(value, 17);
  const detail = 'Lua redis lib command arguments must be strings or integers';
  throw new ErrorReply(`ERR ${detail}, not ${typeName(value)}`);
}

function toLua(reply: Reply): LuaValue {
  if (reply === null) return false;
  if (typeof reply === 'string' || typeof reply === 'number') return reply;
  if (reply instanceof ErrorReply) throw reply;
  if (reply instanceof Status) {
    const table = new LuaTable();
    table.set('ok', reply.text);
    return table;
  }
  return tableOf(reply.map(toLua));
}

function toReply(value: LuaValue): Reply {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return Math.trunc(value) + 0;
  if (typeof value === 'boolean') return value ? 1 : null;
  if (!(value instanceof LuaTable)) return null;
  const err = value.get('err');
  if (typeof err === 'string') return new ErrorReply(err);
  const ok = value.get('ok');
  if (typeof ok === 'string') return new Status(ok);
  const parts: Reply[] = [];
  for (const one of value.list) {
    if (one === undefined) break;
    parts.push(toReply(one));
  }
  return parts;
}

function sha1(text: string): string {
  return createHash('sha1').update(text, 'latin1').digest('hex');
}
