/** An entry of a shard's log, as `scripts/map.ts` writes it. */
import { readU64 } from '../command-buffer.js';
import type { StreamEntry } from './stream-reader.js';

export interface Change {
  readonly field: Buffer;
  /** Null: deleted, or `isLarge`. */
  readonly value: Buffer | null;
  /** The value has to be asked for. */
  readonly isLarge: boolean;
  /** Of who deleted it; 0: none. */
  readonly epoch: number;
}

export interface LogEntry {
  readonly entry: number;
  readonly chain: string;
  readonly writer: string;
  readonly call: number;
  readonly changes: readonly Change[];
}

const BY = /^(.{8})(\d+):(.*)$/s;
const PLUS = 0x2b;
const MINUS = 0x2d;
const QUESTION = 0x3f;

/** Null for one that another version wrote in another way. */
export function readLogEntry({ fields, id }: StreamEntry): LogEntry | null {
  const by = BY.exec(String(fields[1]));
  if (String(fields[0]) !== 'by' || by === null) return null;
  const changes: Change[] = [];
  for (let at = 2; at < fields.length; at += 2) {
    const change = changeOf(fields[at]!, fields[at + 1]!);
    if (change !== null) changes.push(change);
  }
  return {
    entry: Number(id.slice(0, id.indexOf('-'))),
    chain: by[3]!,
    writer: by[1]!,
    call: Number(by[2]),
    changes,
  };
}

/** Null for a kind of a later version. */
function changeOf(name: Buffer, value: Buffer): Change | null {
  const field = name.subarray(1);
  switch (name[0]) {
    case PLUS:
      return { field, value, isLarge: false, epoch: 0 };
    case QUESTION:
      return { field, value: null, isLarge: true, epoch: 0 };
    case MINUS:
      return {
        field,
        value: null,
        isLarge: false,
        epoch: value.length < 8 ? 0 : readU64(value, 0),
      };
    default:
      return null;
  }
}
