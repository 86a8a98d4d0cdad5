/**
 * What is announced before this broker has joined, when nobody would know it, and goes out then.
 * Bounded by the core, which announces what its clients have subscribed to.
 */
interface Task {
  readonly run: () => void;
  readonly onDone: (() => void) | null;
}

export class Held {
  private isOpen = false;
  private tasks: Task[] = [];

  /** @param onDone called instead when it never goes out */
  run(task: () => void, onDone: (() => void) | null): void {
    if (this.isOpen) task();
    else this.tasks.push({ run: task, onDone });
  }

  open(): void {
    this.isOpen = true;
    for (const { run } of this.tasks.splice(0)) run();
  }

  close(): void {
    this.isOpen = false;
  }

  /** Nobody waits for them any more. */
  endAll(): void {
    for (const { onDone } of this.tasks.splice(0)) onDone?.();
  }
}
