/**
 * Deadlines in a binary heap. Whatever has a deadline implements `Deadline` itself, so that an
 * idle connection costs one array slot and no timer.
 */
export interface Deadline {
  /** Monotonic milliseconds; set by the heap. */
  deadlineMs: number;
  /** Position in the heap; -1: not in it. Set by the heap. */
  heapIndex: number;
  /** Called once when the time has come; it may schedule itself again. */
  onDeadline(nowMs: number): void;
}

export class DeadlineHeap {
  private readonly items: Deadline[] = [];

  get size(): number {
    return this.items.length;
  }

  /** Earliest deadline; Infinity when empty. */
  get nextMs(): number {
    return this.items.length === 0 ? Number.POSITIVE_INFINITY : this.items[0]!.deadlineMs;
  }

  /** Sets or moves the deadline of `item`. */
  schedule(item: Deadline, atMs: number): void {
    item.deadlineMs = atMs;
    if (item.heapIndex < 0) {
      item.heapIndex = this.items.length;
      this.items.push(item);
      this.up(item.heapIndex);
      return;
    }
    this.up(item.heapIndex);
    this.down(item.heapIndex);
  }

  cancel(item: Deadline): void {
    const index = item.heapIndex;
    if (index < 0) return;
    item.heapIndex = -1;
    const last = this.items.pop()!;
    if (last === item) return;
    this.items[index] = last;
    last.heapIndex = index;
    this.up(index);
    this.down(last.heapIndex);
  }

  /** Fires everything that is due, earliest first. */
  advance(nowMs: number): void {
    while (this.items.length > 0) {
      const first = this.items[0]!;
      if (first.deadlineMs > nowMs) return;
      this.cancel(first);
      first.onDeadline(nowMs);
    }
  }

  private up(index: number): void {
    const item = this.items[index]!;
    while (index > 0) {
      const parentIndex = (index - 1) >>> 1;
      const parent = this.items[parentIndex]!;
      if (parent.deadlineMs <= item.deadlineMs) break;
      this.items[index] = parent;
      parent.heapIndex = index;
      index = parentIndex;
    }
    this.items[index] = item;
    item.heapIndex = index;
  }

  private down(index: number): void {
    const item = this.items[index]!;
    const size = this.items.length;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= size) break;
      const right = child + 1;
      if (right < size && this.items[right]!.deadlineMs < this.items[child]!.deadlineMs) {
        child = right;
      }
      const smaller = this.items[child]!;
      if (smaller.deadlineMs >= item.deadlineMs) break;
      this.items[index] = smaller;
      smaller.heapIndex = index;
      index = child;
    }
    this.items[index] = item;
    item.heapIndex = index;
  }
}
