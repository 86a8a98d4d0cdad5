/**
 * One script call: what a lane sends next. It is repeated until its outcome is known, always with
 * the same number, by which Redis recognises it; so `encode` must give the same bytes every time.
 */
import type { CommandBuffer } from './command-buffer.js';

export abstract class Call {
  readonly slot: number;
  /** Times that it was sent. */
  attempts = 0;
  /** Redirections since it last waited. */
  redirections = 0;
  /** The next one is of a slot that is on its way: preceded by ASKING. */
  isAsking = false;
  /** Bytes, about. */
  abstract readonly size: number;

  constructor(slot: number) {
    this.slot = slot;
  }

  /** Adds one EVALSHA. */
  abstract encode(out: CommandBuffer): void;

  /** It took effect, and that is safe; or it was refused by the script itself. */
  abstract onReply(value: unknown): void;
}
