/**
 * Which frames of an inbox were read before. Each sender has one on its way, and its numbers grow:
 * one that is not greater than the last is a repeat, or what a failover brought back.
 */
import { INBOX_WRITERS_MAX } from '../tuning.js';
import type { Frame } from './frames.js';

export class SeenFrames {
  /** Number of each writer's last frame; the one longest silent is the first. */
  private readonly numbers = new Map<string, number>();

  /** True when it was not; it is from now on. */
  isNew({ number, writer }: Frame): boolean {
    const last = this.numbers.get(writer);
    if (last !== undefined && number <= last) return false;
    this.numbers.delete(writer);
    this.numbers.set(writer, number);
    if (this.numbers.size > INBOX_WRITERS_MAX) {
      const [first] = this.numbers.keys();
      this.numbers.delete(first!);
    }
    return true;
  }
}
