/** Runs mosquitto_pub, mosquitto_sub and mosquitto_rr, as users do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from '../context.js';
import { ExpectationError, SkipTest } from '../expect.js';

const DEADLINE_MS = 15_000;
export type ProgramName = 'mosquitto_pub' | 'mosquitto_sub' | 'mosquitto_rr';

/** Version options of the clients. */
export const versionOption: Readonly<Record<string, string>> = {
  '3.1': 'mqttv31',
  '3.1.1': 'mqttv311',
  '5.0': 'mqttv5',
};

/** One run of a client program. */
export class Program {
  readonly lines: string[] = [];
  errors = '';
  status: number | null = null;
  private readonly words: string;
  private readonly child: ChildProcess;
  private partial = '';
  private waiters: (() => void)[] = [];

  constructor(path: string, words: readonly string[]) {
    this.words = words.slice(1).join(' ');
    this.child = spawn(path, words, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdout?.on('data', (bytes: Buffer) => this.onOutput(bytes.toString('utf8')));
    this.child.stderr?.on('data', (bytes: Buffer) => {
      this.errors += bytes.toString('utf8');
    });
    this.child.on('close', (status) => {
      this.status = status ?? -1;
      this.wake();
    });
  }

  /** Waits for the end and its status. */
  async ends(status = 0): Promise<string[]> {
    await this.until(`${this.words} to end`, () => this.status !== null);
    if (this.status !== status) {
      throw new ExpectationError(
        `status ${status} of ${this.words}`,
        `${this.status}: ${this.errors.trim()}`,
      );
    }
    return this.lines;
  }

  /** Waits until a line holds the text. */
  async says(text: string): Promise<void> {
    const isSaid = () => this.lines.some((line) => line.includes(text));
    await this.until(`"${text}" from ${this.words}`, isSaid);
  }

  /** Writes to its standard input and closes that. */
  feed(text: string): void {
    this.child.stdin?.end(text);
  }

  /** Ends it at once. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    if (this.status === null) this.child.kill(signal);
  }

  private async until(what: string, condition: () => boolean): Promise<void> {
    const end = performance.now() + DEADLINE_MS;
    while (!condition()) {
      const isOver = this.status !== null || performance.now() > end;
      if (isOver) {
        const output = [...this.lines, this.errors.trim()].join(' | ');
        throw new ExpectationError(what, output === '' ? 'nothing' : output);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, end - performance.now());
        this.waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  private onOutput(text: string): void {
    const parts = (this.partial + text).split('\n');
    this.partial = parts.pop() ?? '';
    this.lines.push(...parts);
    this.wake();
  }

  private wake(): void {
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) waiter();
  }
}

/** The client programs against a test's listener; all are ended with the test. */
export class Tools {
  private readonly t: TestContext;
  private readonly programs: Program[] = [];

  constructor(t: TestContext) {
    this.t = t;
  }

  /** Starts one; `words` come after host, port and version. */
  run(name: ProgramName, words: readonly string[]): Program {
    const { host, port } = this.t.endpoint();
    const version = words.includes('-V') ? [] : ['-V', versionOption[this.t.label]];
    const all = ['-h', host, '-p', `${port}`, ...version, ...words];
    // Line by line: what -d says is not flushed by itself.
    const program = new Program(find('stdbuf'), ['-oL', find(name), ...all]);
    this.programs.push(program);
    return program;
  }

  /** A mosquitto_sub that is subscribed (it says so with -d). */
  async subscriber(words: readonly string[]): Promise<Program> {
    const program = this.run('mosquitto_sub', ['-d', ...words]);
    await program.says('Subscribed (mid');
    return program;
  }

  /** Runs mosquitto_pub to its end. */
  async publish(words: readonly string[]): Promise<void> {
    await this.run('mosquitto_pub', words).ends();
  }

  stop(): void {
    for (const program of this.programs) program.kill();
  }
}

/** The test's body with its tools, which end however it ends. */
export function withTools(
  body: (t: TestContext, tools: Tools) => Promise<void>,
): (t: TestContext) => Promise<void> {
  return async (t) => {
    const tools = new Tools(t);
    try {
      await body(t, tools);
    } finally {
      tools.stop();
    }
  };
}

function find(name: ProgramName | 'stdbuf'): string {
  const folders = (process.env.PATH ?? '').split(':');
  const path = folders.map((folder) => join(folder, name)).find((one) => existsSync(one));
  if (path === undefined) throw new SkipTest(`${name} is not installed`);
  return path;
}

/** Lines of a `mosquitto_sub -d` that are messages, not its own chatter. */
export function messagesOf(lines: readonly string[]): string[] {
  const chatter = /^(Client |Subscribed |\s*$)/;
  return lines.filter((line) => !chatter.test(line));
}
