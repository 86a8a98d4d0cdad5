/** One Redis server of its own for a test, on a free port, in a given folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './port.js';
import { until } from './until.js';

export type Settings = Readonly<Record<string, string | number>>;

export interface ServerOptions {
  readonly folder: string;
  readonly port?: number;
  readonly settings?: Settings;
  /** It outlives this process. */
  readonly isDetached?: boolean;
}

/** What a careful operator would set, but for the speed at which a failover begins. */
export const usualSettings: Settings = {
  bind: '127.0.0.1',
  'protected-mode': 'no',
  save: '""',
  appendonly: 'yes',
  appendfsync: 'everysec',
  'maxmemory-policy': 'noeviction',
  'repl-backlog-size': '64mb',
  'client-output-buffer-limit': '"replica 512mb 128mb 60"',
  'repl-diskless-sync-delay': 0,
  'repl-timeout': 30,
  'enable-debug-command': 'yes',
};

const running = new Set<ChildProcess>();

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class RedisServer {
  readonly port: number;
  pid = 0;
  private readonly options: ServerOptions;
  private child: ChildProcess | null = null;
  private client: Redis | null = null;

  constructor(options: ServerOptions, port: number) {
    this.options = options;
    this.port = port;
  }

  /** Starts a server and waits until it answers. */
  static async start(options: ServerOptions): Promise<RedisServer> {
    const server = new RedisServer(options, options.port ?? (await freePort()));
    await server.start();
    return server;
  }

  /** Starts it, again on the same port and folder. */
  async start(settings: Settings = {}): Promise<void> {
    await this.launch(settings);
    try {
      await until(`Redis at ${this.port}`, () => this.answers(), { deadlineMs: 10_000 });
    } catch (cause) {
      const log = readFileSync(join(this.options.folder, 'redis.log'), 'utf8').slice(-2_000);
      throw new Error(`Redis at ${this.port} does not start:\n${log}`, { cause });
    }
  }

  /** Starts it without waiting for it. */
  async launch(settings: Settings = {}): Promise<void> {
    const { folder, isDetached } = this.options;
    mkdirSync(folder, { recursive: true });
    const log = openSync(join(folder, 'redis.log'), 'a');
    const all = { ...usualSettings, ...this.options.settings, ...settings };
    const args = Object.entries({ ...all, port: this.port, dir: folder }).flatMap(
      ([name, value]) => [`--${name}`, ...partsOf(String(value))],
    );
    const child = spawn('redis-server', args, {
      stdio: ['ignore', log, log],
      detached: isDetached === true,
    });
    closeSync(log);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (cause) => reject(new Error('cannot start redis-server', { cause })));
    });
    this.child = child;
    this.pid = child.pid as number;
    if (isDetached === true) {
      child.unref();
      return;
    }
    running.add(child);
    child.once('exit', () => running.delete(child));
  }

  /** One command, on a connection for tests. Rejects with what Redis refuses. */
  async command(...parts: readonly (string | Buffer | number)[]): Promise<unknown> {
    this.client ??= this.connect();
    const [name, ...args] = parts;
    return this.client.call(String(name), ...args);
  }

  /** Fields of INFO, as text. */
  async info(name: string): Promise<string> {
    const text = String(await this.command('INFO'));
    return new RegExp(`^${name}:(.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
  }

  get isRunning(): boolean {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** Kills it at once and waits for its end. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    this.client?.disconnect();
    this.client = null;
    const { child } = this;
    if (child === null || !this.isRunning) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    // One that was stopped by SIGSTOP hears nothing else.
    const timer = setTimeout(() => child.kill('SIGKILL'), 3_000);
    await ended;
    clearTimeout(timer);
  }

  private connect(): Redis {
    const client = new Redis({
      host: '127.0.0.1',
      port: this.port,
      retryStrategy: null,
      maxRetriesPerRequest: 0,
      enableReadyCheck: false,
      ...passwordOf(this.options.settings),
    });
    client.on('error', () => undefined);
    client.on('end', () => {
      if (this.client === client) this.client = null;
    });
    return client;
  }

  private async answers(): Promise<boolean> {
    try {
      return (await this.command('PING')) === 'PONG';
    } catch {
      this.client?.disconnect();
      this.client = null;
      return false;
    }
  }
}

/** A value with blanks is several arguments unless it is quoted. */
function partsOf(value: string): string[] {
  if (value.startsWith('"')) return [value.slice(1, -1)];
  return value.split(' ');
}

function passwordOf(settings: Settings | undefined): { password?: string } {
  const password = settings?.requirepass;
  return password === undefined ? {} : { password: String(password) };
}
