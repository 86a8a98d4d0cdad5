/** What this broker has told the others and not all of them know yet, and who waits for that. */

interface Waiter {
  /** Waits for this announcement and all before it. */
  readonly last: number;
  readonly then: () => void;
}

export class Announcements {
  private begun = 0;
  /** Oldest first. */
  private readonly open = new Set<number>();
  private waiters: Waiter[] = [];

  /** @returns to be called when all know of it */
  begin(): () => void {
    const number = ++this.begun;
    this.open.add(number);
    return () => {
      this.open.delete(number);
      this.onDone();
    };
  }

  /** Calls back when all that was begun so far is known. */
  whenKnown(then: () => void): void {
    if (this.open.size === 0) then();
    else this.waiters.push({ last: this.begun, then });
  }

  private onDone(): void {
    const oldest = this.open.values().next().value ?? Number.POSITIVE_INFINITY;
    let count = 0;
    while (count < this.waiters.length && this.waiters[count]!.last < oldest) count++;
    if (count === 0) return;
    for (const { then } of this.waiters.splice(0, count)) then();
  }
}
