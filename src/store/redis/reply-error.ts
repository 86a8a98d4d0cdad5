/** What Redis refuses, by the first word of the error, and what follows from it. */
import { BrokerError } from '../../base/errors.js';
import { type Address, CONNECTION_LOST } from './connection.js';

export const Refusal = {
  /** The slot is somewhere else: for good. */
  Moved: 'MOVED',
  /** … or for this call, while it moves. */
  Ask: 'ASK',
  /** Some keys of the call have moved already. */
  TryAgain: 'TRYAGAIN',
  /** The script has to be loaded. */
  NoScript: 'NOSCRIPT',
  /** No primary any more. */
  ReadOnly: 'READONLY',
  /** It cannot serve now; the same call later. */
  Later: 'LATER',
  /** The connection is gone: nobody knows whether the call took effect. */
  Lost: 'LOST',
} as const;
export type Refusal = (typeof Refusal)[keyof typeof Refusal];

/**
 * `CLUSTERDOWN`, `LOADING`, `MASTERDOWN`, `NOREPLICAS`, `OOM`, `MISCONF`, `BUSY` and everything
 * unknown is `Later`: the call is repeated, and its repetition is recognised.
 */
export function refusalOf(error: Error): Refusal {
  switch (firstWord(error.message)) {
    case 'MOVED':
      return Refusal.Moved;
    case 'ASK':
      return Refusal.Ask;
    case 'TRYAGAIN':
      return Refusal.TryAgain;
    case 'NOSCRIPT':
      return Refusal.NoScript;
    case 'READONLY':
    case 'UNBLOCKED':
      return Refusal.ReadOnly;
    default:
      return error instanceof BrokerError && error.code === CONNECTION_LOST
        ? Refusal.Lost
        : Refusal.Later;
  }
}

/** True for errors about the state of the cluster: somebody else may serve the slot by now. */
export function isAboutTopology(error: Error): boolean {
  return /^(CLUSTERDOWN|MASTERDOWN|READONLY|UNBLOCKED|LOADING)\b/.test(error.message);
}

/** True for errors about one call: others may go through meanwhile. */
export function isAboutCall(error: Error): boolean {
  return /^(ERR|WRONGTYPE)\b/.test(error.message);
}

/** `MOVED 3999 127.0.0.1:6381`; an empty host means the one that answered. */
export function redirection(error: Error, from: Address): Address | null {
  const match = /^(?:MOVED|ASK) \d+ (.*):(\d+)$/.exec(error.message.trim());
  if (match === null) return null;
  const host = match[1] === '' || match[1] === '?' ? from.host : match[1]!;
  return { host, port: Number(match[2]) };
}

function firstWord(text: string): string {
  const end = text.indexOf(' ');
  return end < 0 ? text : text.slice(0, end);
}
