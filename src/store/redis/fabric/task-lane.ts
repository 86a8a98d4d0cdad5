/** Script calls that are not of the hot path, one after another, in one slot. */
import { BrokerError } from '../../../base/errors.js';
import { Call } from '../call.js';
import type { CommandBuffer } from '../command-buffer.js';
import { Lane, type LaneHome } from '../lane.js';
import type { Script } from '../scripts/script.js';
import { slotOf } from '../slot.js';

interface Task {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly texts: readonly string[];
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class TaskLane extends Lane {
  protected readonly home: LaneHome;
  private queue: Task[] = [];
  private readonly open = new Set<Task>();
  private isStopped = false;

  constructor(home: LaneHome, tag: string) {
    super(slotOf(tag));
    this.home = home;
  }

  /**
   * The answer, as long as it may take.
   *
   * @throws BrokerError `STORE_AWAY` when `stop` was called
   */
  run(script: Script, keys: readonly string[], texts: readonly string[]): Promise<unknown> {
    if (this.isStopped) return Promise.reject(stopped());
    return new Promise((resolve, reject) => {
      const task: Task = { script, keys, texts, resolve, reject };
      this.open.add(task);
      this.queue.push(task);
      this.pump();
    });
  }

  /** Nothing will be answered any more. */
  stop(): void {
    this.isStopped = true;
    this.queue = [];
    for (const { reject } of this.open) reject(stopped());
    this.open.clear();
  }

  protected next(): Call | null {
    const task = this.queue.shift();
    return task === undefined ? null : new TaskCall(this, task);
  }

  /** For calls. */
  onAnswer(task: Task, value: unknown): void {
    this.open.delete(task);
    task.resolve(value);
    this.onCallDone();
  }
}

class TaskCall extends Call {
  readonly size: number;
  private readonly lane: TaskLane;
  private readonly task: Task;

  constructor(lane: TaskLane, task: Task) {
    super(lane.slot);
    this.lane = lane;
    this.task = task;
    const { keys, texts } = task;
    this.size = [...keys, ...texts].reduce((sum, text) => sum + text.length + 20, 200);
  }

  encode(out: CommandBuffer): void {
    const { keys, script, texts } = this.task;
    out.command(3 + keys.length + texts.length);
    out.encoded(script.encoded);
    out.number(keys.length);
    for (const key of keys) out.text(key);
    for (const text of texts) out.text(text);
  }

  onReply(value: unknown): void {
    this.lane.onAnswer(this.task, value);
  }
}

function stopped(): BrokerError {
  return new BrokerError('STORE_AWAY', 'the store was closed');
}
