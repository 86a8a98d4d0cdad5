/** What scripts answer about a session that is not connected here. */
import type { StoredSession } from '../store.js';
import { HeaderFlag } from './scripts/header.js';

/** What `load` answered. */
export interface LoadedSession {
  /** It exists; false: only what the map has still to forget is left. */
  readonly isThere: boolean;
  /** A connection, and its will. */
  readonly isTransient: boolean;
  readonly isOffline: boolean;
  readonly isUnmapped: boolean;
  /** Without deadlines while its client is connected. */
  readonly session: StoredSession;
  /** When it is due, for the list of offline ones. */
  readonly dueMs: number;
}

/** Null: there is nothing. */
export function decodeLoaded(clientId: string, answer: unknown): LoadedSession | null {
  if (answer === null) return null;
  const [flags, owner, info, over, will, willAt, isUnmapped, epoch, messages] =
    answer as readonly (Buffer | null)[];
  const isTransient = Number(flags) >= HeaderFlag.Transient;
  const hasEnded = Number(flags) >= HeaderFlag.Ended && !isTransient;
  const isOffline = String(owner) === '';
  const session: StoredSession = {
    clientId,
    epoch: Number(epoch),
    info: info ?? Buffer.alloc(0),
    expiresAtMs: isOffline ? timeOf(over) : Number.POSITIVE_INFINITY,
    will: isOffline ? (will ?? null) : null,
    willAtMs: isOffline ? timeOf(willAt) : Number.POSITIVE_INFINITY,
    messages: Number(messages),
  };
  const { expiresAtMs, willAtMs } = session;
  return {
    isThere: !hasEnded,
    isTransient,
    isOffline,
    isUnmapped: Number(isUnmapped) === 1,
    session,
    dueMs: session.will === null ? expiresAtMs : Math.min(expiresAtMs, willAtMs),
  };
}

/** What `adopt` answered. */
export type AdoptAnswer =
  | { readonly isOurs: true; readonly session: StoredSession; readonly isTransient: boolean }
  | {
      readonly isOurs: false;
      /** For the list of offline ones, or `OFF_THE_LIST`; empty: it is right. */
      readonly score: string;
      /** Who sees to it; empty: nobody. */
      readonly keeper: string;
    };

export function decodeAdopted(clientId: string, answer: unknown): AdoptAnswer {
  const parts = answer as readonly (Buffer | null)[];
  const epoch = Number(parts[0]);
  if (epoch === 0) return { isOurs: false, score: String(parts[1]), keeper: String(parts[2]) };
  const [, flags, info, over, will, willAt, messages] = parts;
  return {
    isOurs: true,
    isTransient: Number(flags) >= HeaderFlag.Transient,
    session: {
      clientId,
      epoch,
      info: info ?? Buffer.alloc(0),
      expiresAtMs: timeOf(over),
      will: will ?? null,
      willAtMs: timeOf(willAt),
      messages: Number(messages),
    },
  };
}

/** What `orphan` answered; null: nothing is to be done. */
export type OrphanAnswer =
  | { readonly kind: 'gone'; readonly epoch: number; readonly filters: readonly string[] }
  | {
      readonly kind: 'offline';
      readonly epoch: number;
      readonly dueMs: number;
      readonly isDue: boolean;
      readonly isTransient: boolean;
    };

export function decodeOrphaned(answer: unknown): OrphanAnswer | null {
  if (answer === null) return null;
  const [epochText, second, isDue, isTransient] = answer as readonly unknown[];
  const epoch = Number(epochText);
  if (Array.isArray(second)) return { kind: 'gone', epoch, filters: second.map(String) };
  return {
    kind: 'offline',
    epoch,
    dueMs: msOf(String(second)),
    isDue: Number(isDue) === 1,
    isTransient: Number(isTransient) === 1,
  };
}

function timeOf(text: Buffer | null | undefined): number {
  return msOf(String(text ?? 'inf'));
}

/** Milliseconds; `inf`: never. */
function msOf(text: string): number {
  const ms = Number(text);
  return Number.isNaN(ms) ? Number.POSITIVE_INFINITY : ms;
}
