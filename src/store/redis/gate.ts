/**
 * Holds back the messages of a batch until what their publishers hold is in Redis: else a crash
 * between the two would let a repeated QoS 2 message pass as a new one.
 */
import type { HeldId, Mark } from '../store.js';
import type { Lane } from './lane.js';

export class Gate {
  /** Writes that are not safe yet. */
  private waiting = 0;
  private readonly lanes = new Set<Lane>();
  /** Numbers that were not held, since somebody else owns the publisher's session. */
  private refused: Map<string, Set<number>> | null = null;

  get isOpen(): boolean {
    return this.waiting === 0;
  }

  begin(): void {
    this.waiting++;
  }

  /** A lane whose next write waits here. */
  wait(lane: Lane): void {
    this.lanes.add(lane);
  }

  /** What a publisher holds is safe; or it is not to be, and then neither are its messages. */
  onHeld(publisherId: string, held: readonly HeldId[], isDone: boolean): void {
    if (!isDone) {
      this.refused ??= new Map();
      this.refused.set(publisherId, new Set(held.map(({ number }) => number)));
    }
    if (--this.waiting > 0) return;
    const lanes = [...this.lanes];
    this.lanes.clear();
    for (const lane of lanes) lane.pump();
  }

  /** True for a message whose publisher will send it again, under the same number. */
  isRefused(mark: Mark | null): boolean {
    if (mark === null || this.refused === null) return false;
    return this.refused.get(mark.publisherId)?.has(mark.number) ?? false;
  }
}
