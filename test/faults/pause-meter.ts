/**
 * How long nobody was acknowledged anything, from a fault on. Faults that follow before anything
 * was acknowledged again belong to the same pause, which counts for the first of them.
 */

export class PauseMeter<FaultKind extends string> {
  readonly longestMs = new Map<FaultKind, number>();
  private kind: FaultKind | null = null;
  /** The fault, or the last acknowledgement after it. */
  private sinceMs = 0;
  private isPause = false;

  onFault(kind: FaultKind, nowMs: number): void {
    if (this.isPause) return;
    this.measure(nowMs);
    this.kind = kind;
    this.sinceMs = nowMs;
    this.isPause = true;
  }

  onAcknowledged(nowMs: number): void {
    this.measure(nowMs);
    this.sinceMs = nowMs;
    this.isPause = false;
  }

  private measure(nowMs: number): void {
    if (this.kind === null) return;
    const pauseMs = nowMs - this.sinceMs;
    if (pauseMs > (this.longestMs.get(this.kind) ?? 0)) this.longestMs.set(this.kind, pauseMs);
  }
}
