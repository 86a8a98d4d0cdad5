/**
 * Puts virtual timers and seeded randomness in place of Node's for the time of one history, also
 * for modules that have imported them already.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import type { Draw, Loop } from './loop.js';

/** What `setTimeout` returns. */
class VirtualTimer {
  private cancel: () => void = () => undefined;

  constructor(start: (timer: VirtualTimer) => () => void) {
    this.cancel = start(this);
  }

  set(cancel: () => void): void {
    this.cancel = cancel;
  }

  clear(): void {
    this.cancel();
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

type Callback = (...args: unknown[]) => void;

/** @returns puts everything back */
export function replaceBuiltins(loop: Loop, draw: Draw): () => void {
  const { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } =
    globalThis;
  const before = {
    clearImmediate,
    clearInterval,
    clearTimeout,
    setImmediate,
    setInterval,
    setTimeout,
  };
  const { randomBytes, randomUUID } = crypto;
  const pause = timers.setTimeout;
  const clear = (timer: unknown) => {
    if (timer instanceof VirtualTimer) timer.clear();
  };
  Object.assign(globalThis, {
    setTimeout: (callback: Callback, ms = 0, ...args: unknown[]) =>
      new VirtualTimer(() => loop.schedule(loop.current, Math.max(1, ms), () => callback(...args))),
    setInterval: (callback: Callback, ms: number) => new VirtualTimer(repeated(loop, callback, ms)),
    setImmediate: (callback: Callback, ...args: unknown[]) =>
      new VirtualTimer(() => loop.schedule(loop.current, 0, () => callback(...args))),
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate: clear,
  });
  const bytes = (size: number): Buffer => {
    const out = Buffer.alloc(size);
    for (let at = 0; at < size; at++) out[at] = draw.below(256);
    return out;
  };
  Object.assign(crypto, {
    randomBytes: bytes,
    randomUUID: () => bytes(16).toString('hex'),
  });
  Object.assign(timers, {
    setTimeout: (ms: number, value?: unknown) =>
      new Promise((resolve) => {
        loop.schedule(loop.current, Math.max(1, ms), () => resolve(value));
      }),
  });
  const onRejection = (reason: unknown): void => {
    loop.failure ??= reason;
  };
  process.on('unhandledRejection', onRejection);
  syncBuiltinESMExports();
  return () => {
    Object.assign(globalThis, before);
    Object.assign(crypto, { randomBytes, randomUUID });
    Object.assign(timers, { setTimeout: pause });
    process.off('unhandledRejection', onRejection);
    syncBuiltinESMExports();
  };
}

function repeated(loop: Loop, callback: Callback, ms: number) {
  return (timer: VirtualTimer): (() => void) => {
    const { current } = loop;
    const again = (): (() => void) =>
      loop.schedule(current, Math.max(1, ms), () => {
        timer.set(again());
        callback();
      });
    return again();
  };
}
