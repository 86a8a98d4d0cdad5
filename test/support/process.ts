/**
 * Child processes for tests: brokers, mosquitto, redis-server, clients. Each one is ended by its
 * pid, at the latest when the test process exits, and its output is kept for the failure message.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type UntilOptions, until, within } from './until.js';

const stopDeadlineMs = 5_000;
// What a chatty child may leave in memory; older lines go first.
const keptLinesMax = 10_000;

export interface Exit {
  /** Null when a signal ended the process. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  readonly cwd?: string;
  /** Added to the environment of the tests. */
  readonly env?: Readonly<Record<string, string>>;
}

export class Child {
  readonly pid: number;
  /** Complete lines of stdout and stderr, as they came. */
  readonly lines: string[] = [];
  /** Complete lines of stdout alone. */
  readonly stdoutLines: string[] = [];
  /** Resolves when the process has ended and its output has been read. */
  readonly exited: Promise<Exit>;
  private readonly process: ChildProcessWithoutNullStreams;
  private readonly name: string;
  private exit: Exit | null = null;

  private constructor(name: string, process: ChildProcessWithoutNullStreams, pid: number) {
    this.name = name;
    this.process = process;
    this.pid = pid;
    this.exited = new Promise((resolve) => {
      process.once('close', (code, signal) => {
        this.exit = { code, signal };
        children.delete(this);
        resolve(this.exit);
      });
    });
    // Writing to a child that has just ended is no error of the test.
    process.stdin.on('error', () => undefined);
    this.collect(process.stdout, [this.lines, this.stdoutLines]);
    this.collect(process.stderr, [this.lines]);
    children.add(this);
  }

  /** Starts `command`; rejects with its name when it cannot be started. */
  static async start(
    command: string,
    args: readonly string[] = [],
    options: ChildOptions = {},
  ): Promise<Child> {
    const process = spawn(command, args, {
      cwd: options.cwd,
      env: { ...globalThis.process.env, ...options.env },
      stdio: 'pipe',
    });
    await new Promise<void>((resolve, reject) => {
      process.once('spawn', resolve);
      process.once('error', (cause) => reject(new Error(`cannot start ${command}`, { cause })));
    });
    return new Child(`${command} ${args.join(' ')}`.trim(), process, process.pid as number);
  }

  /** True until the process has ended. */
  get isRunning(): boolean {
    return this.exit === null;
  }

  /** Everything printed so far. */
  get output(): string {
    return this.lines.join('\n');
  }

  /**
   * The first line, printed already or yet to come, that matches. Rejects at the deadline, or as
   * soon as the process has ended without it, and then shows the output.
   */
  async untilLine(pattern: RegExp | string, options: UntilOptions = {}): Promise<string> {
    const matches = (line: string) =>
      typeof pattern === 'string' ? line.includes(pattern) : pattern.test(line);
    const found = () => this.lines.find(matches);
    try {
      await until(`${pattern}`, () => found() !== undefined || this.exit !== null, options);
    } catch (cause) {
      throw new Error(this.describe(`no line with ${pattern}`), { cause });
    }
    const line = found();
    if (line === undefined) throw new Error(this.describe(`ended without a line ${pattern}`));
    return line;
  }

  /** Writes to the child's stdin. */
  write(text: string): void {
    this.process.stdin.write(text);
  }

  /** Ends the child's stdin. */
  endInput(): void {
    this.process.stdin.end();
  }

  /** Sends a signal; nothing happens when the process has ended already. */
  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.process.kill(signal);
  }

  /** How the process ended, by itself, before the deadline. */
  untilExit(options: UntilOptions = {}): Promise<Exit> {
    return within(`the end of ${this.name}`, this.exited, options);
  }

  /** Asks the process to end and waits; kills it and rejects when it does not obey in time. */
  async stop(
    signal: NodeJS.Signals = 'SIGTERM',
    options: UntilOptions = { deadlineMs: stopDeadlineMs },
  ): Promise<Exit> {
    this.signal(signal);
    try {
      return await this.untilExit(options);
    } catch (cause) {
      this.signal('SIGKILL');
      await this.exited;
      throw new Error(this.describe(`did not end after ${signal}`), { cause });
    }
  }

  private collect(stream: NodeJS.ReadableStream, into: readonly string[][]): void {
    createInterface({ input: stream }).on('line', (line) => {
      for (const lines of into) {
        lines.push(line);
        if (lines.length > keptLinesMax) lines.shift();
      }
    });
  }

  private describe(what: string): string {
    const end = this.exit === null ? 'running' : `ended: ${JSON.stringify(this.exit)}`;
    return `${this.name}: ${what} (${end})\n${this.lines.slice(-100).join('\n')}`;
  }
}

const children = new Set<Child>();

process.once('exit', () => {
  for (const child of children) child.signal('SIGKILL');
});

/** Starts a command and waits for its end: for clients that do one thing, such as mosquitto_pub. */
export async function run(
  command: string,
  args: readonly string[] = [],
  options: ChildOptions & UntilOptions = {},
): Promise<Exit & { readonly output: string; readonly stdout: string }> {
  const child = await Child.start(command, args, options);
  child.endInput();
  try {
    const exit = await child.untilExit(options);
    return { ...exit, output: child.output, stdout: child.stdoutLines.join('\n') };
  } finally {
    child.signal('SIGKILL');
  }
}
