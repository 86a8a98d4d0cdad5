/**
 * Waiting in tests: always for a condition, always with a deadline, never for a time. A wait that
 * fails says what it waited for. The timers here keep the event loop alive, so uvu cannot end a
 * file while a test still waits.
 */
import { type EventEmitter, once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';

const defaultDeadlineMs = 5_000;
const pollEveryMs = 5;

export interface UntilOptions {
  /** Default 5 000. */
  readonly deadlineMs?: number;
}

/**
 * Resolves with the first truthy value of `condition`, which is asked every few milliseconds.
 * `what` completes the sentence "waited 5000 ms for …".
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  options: UntilOptions = {},
): Promise<NonNullable<T>> {
  const deadlineMs = options.deadlineMs ?? defaultDeadlineMs;
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() >= endMs) throw late(what, deadlineMs);
    await pause(pollEveryMs);
  }
}

/** The value of `promise`, or an error that names `what` when it takes longer than the deadline. */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  options: UntilOptions = {},
): Promise<T> {
  const deadlineMs = options.deadlineMs ?? defaultDeadlineMs;
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late(what, deadlineMs)), deadlineMs);
  });
  try {
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

/** The arguments of the emitter's next `event`. An `error` event before it rejects. */
export function untilEvent(
  emitter: EventEmitter,
  event: string,
  options: UntilOptions = {},
): Promise<unknown[]> {
  return within(`the event '${event}'`, once(emitter, event), options);
}

function late(what: string, deadlineMs: number): Error {
  return new Error(`waited ${deadlineMs} ms for ${what}`);
}
