/** The data of one server: keys, and what is behind them. Knows nothing of connections. */
import { ErrorReply } from './reply.js';
import { Stream, type StreamId } from './stream.js';

export type Hash = Map<string, string>;
export type SortedSet = { readonly scores: Map<string, number> };
type Value = string | Hash | Set<string> | SortedSet | Stream;

export class Database {
  readonly keys = new Map<string, Value>();
  /** Write commands that changed something since this was last emptied. */
  effects: (readonly string[])[] = [];
  /** Streams that grew since this was last emptied. */
  grown: string[] = [];

  text(key: string): string | null {
    const value = this.keys.get(key);
    if (value === undefined) return null;
    if (typeof value === 'string') return value;
    throw wrongType();
  }

  hash(key: string): Hash | null {
    const value = this.keys.get(key);
    if (value === undefined) return null;
    if (value instanceof Map) return value;
    throw wrongType();
  }

  set(key: string): Set<string> | null {
    const value = this.keys.get(key);
    if (value === undefined) return null;
    if (value instanceof Set) return value;
    throw wrongType();
  }

  stream(key: string): Stream | null {
    const value = this.keys.get(key);
    if (value === undefined) return null;
    if (value instanceof Stream) return value;
    throw wrongType();
  }

  sorted(key: string): Map<string, number> | null {
    const value = this.keys.get(key);
    if (value === undefined) return null;
    if (typeof value === 'object' && 'scores' in value) return value.scores;
    throw wrongType();
  }

  hashToWrite(key: string): Hash {
    return this.hash(key) ?? this.make(key, new Map<string, string>());
  }

  setToWrite(key: string): Set<string> {
    return this.set(key) ?? this.make(key, new Set<string>());
  }

  streamToWrite(key: string): Stream {
    return this.stream(key) ?? this.make(key, new Stream());
  }

  sortedToWrite(key: string): Map<string, number> {
    return this.sorted(key) ?? this.make(key, { scores: new Map<string, number>() }).scores;
  }

  /** Takes a key away that has become empty; streams stay. */
  dropIfEmpty(key: string, size: number): void {
    if (size === 0) this.keys.delete(key);
  }

  /** The value of a key, as MIGRATE carries it. */
  dump(key: string): string {
    const value = this.keys.get(key)!;
    if (typeof value === 'string') return JSON.stringify(['string', value]);
    if (value instanceof Map) return JSON.stringify(['hash', [...value]]);
    if (value instanceof Set) return JSON.stringify(['set', [...value]]);
    if (value instanceof Stream) return JSON.stringify(['stream', value.entries, value.last]);
    return JSON.stringify(['sorted', [...value.scores]]);
  }

  restore(key: string, dump: string): void {
    const [kind, parts, last] = JSON.parse(dump) as readonly [string, never, StreamId];
    if (kind === 'string') this.keys.set(key, parts);
    else if (kind === 'hash') this.keys.set(key, new Map(parts));
    else if (kind === 'set') this.keys.set(key, new Set(parts));
    else if (kind === 'sorted') this.keys.set(key, { scores: new Map(parts) });
    else {
      const stream = new Stream();
      stream.entries = parts;
      stream.last = last;
      this.keys.set(key, stream);
    }
  }

  /** A copy, for a replica that begins anew. */
  copy(): Database {
    const copy = new Database();
    for (const [key, value] of this.keys) {
      let twin: Value;
      if (typeof value === 'string') twin = value;
      else if (value instanceof Map) twin = new Map(value);
      else if (value instanceof Set) twin = new Set(value);
      else if (value instanceof Stream) twin = value.copy();
      else twin = { scores: new Map(value.scores) };
      copy.keys.set(key, twin);
    }
    return copy;
  }

  private make<Kind extends Value>(key: string, value: Kind): Kind {
    this.keys.set(key, value);
    return value;
  }
}

function wrongType(): ErrorReply {
  return new ErrorReply('WRONGTYPE Operation against a key holding the wrong kind of value');
}
