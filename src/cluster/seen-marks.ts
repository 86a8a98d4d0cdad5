/**
 * Which QoS 2 messages transient subscribers here have had: of each publisher the last one, since
 * a publisher repeats its messages in order. So a message that its publisher sends again, through
 * another broker or through this one, reaches them once.
 */
import type { SharedMark } from '../store/fabric.js';

/** Publishers that are remembered; the one longest silent goes first. */
const PUBLISHERS_MAX = 65_536;

interface Last {
  readonly birth: number;
  readonly number: number;
}

export class SeenMarks {
  private readonly lastOf = new Map<string, Last>();

  /** True when the message was seen; if not, it is from now on. */
  isRepeated({ publisherId, birth, number }: SharedMark): boolean {
    const last = this.lastOf.get(publisherId);
    if (last !== undefined) {
      if (birth < last.birth || (birth === last.birth && number <= last.number)) return true;
      this.lastOf.delete(publisherId);
    } else if (this.lastOf.size >= PUBLISHERS_MAX) {
      this.lastOf.delete(this.lastOf.keys().next().value!);
    }
    this.lastOf.set(publisherId, { birth, number });
    return false;
  }
}
