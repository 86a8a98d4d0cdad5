/** One broker under test: a fresh process on a free port, ended by its process id. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BenchError } from '../bench-error.js';
import { type Broker, brokerConfig } from './brokers.js';
import { endWithUs } from './children.js';

const START_MS = 15_000;
const STOP_MS = 5000;
const RETRY_MS = 20;
const ANSWER_MS = 5000;

export interface StartOptions {
  /** Of the configuration file, beside the door. */
  readonly lines?: readonly string[];
  /** What a broker that loads much may take; default: 15 s. */
  readonly startMs?: number;
  /** A channel to a probe in the broker: see `ask`. */
  readonly hasChannel?: boolean;
}

export class BrokerProcess {
  readonly port: number;
  readonly pid: number;
  /** Milliseconds from the start of the process to its open port. */
  readonly startedInMs: number;
  private readonly child: ChildProcess;
  private readonly folder: string;

  static async start(broker: Broker, options: StartOptions = {}): Promise<BrokerProcess> {
    const { lines = [], startMs = START_MS, hasChannel = false } = options;
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'tidewire-bench-'));
    const config = join(folder, 'broker.conf');
    const logFile = join(folder, 'broker.log');
    writeFileSync(config, `${lines.map((line) => `${line}\n`).join('')}${brokerConfig(port)}`);
    const log = openSync(logFile, 'w');
    const startedMs = performance.now();
    const child = spawn(broker.command, broker.args(config, port), {
      stdio: ['ignore', log, log, ...(hasChannel ? (['ipc'] as const) : [])],
    });
    closeSync(log);
    endWithUs(child);
    try {
      await acceptsConnections(child, port, startMs);
    } catch (error) {
      child.kill('SIGKILL');
      const lines = readFileSync(logFile, 'utf8').trim().split('\n').slice(-5).join('\n');
      rmSync(folder, { recursive: true, force: true });
      throw new BenchError(`${broker.name} ${(error as Error).message}; its log ends:\n${lines}`);
    }
    return new BrokerProcess(child, port, folder, performance.now() - startedMs);
  }

  private constructor(child: ChildProcess, port: number, folder: string, startedInMs: number) {
    this.child = child;
    this.port = port;
    this.pid = child.pid!;
    this.folder = folder;
    this.startedInMs = startedInMs;
  }

  /** What the probe answers; see `StartOptions.hasChannel`. */
  async ask(question: string, patienceMs = ANSWER_MS): Promise<unknown> {
    const { child } = this;
    return await new Promise((resolve, reject) => {
      const fail = () => reject(new BenchError(`the broker does not answer ${question}`));
      const timer = setTimeout(fail, patienceMs);
      child.once('message', (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      child.send(question, (error) => error !== null && fail());
    });
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.end('SIGKILL', STOP_MS);
  }

  /** @param patienceMs after which it is killed */
  async stop(patienceMs = STOP_MS): Promise<void> {
    await this.end('SIGTERM', patienceMs);
  }

  private async end(signal: NodeJS.Signals, patienceMs: number): Promise<void> {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
      await ended;
      clearTimeout(timer);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Resolves when the port is open; rejects when the broker ends first or takes too long. */
async function acceptsConnections(
  child: ChildProcess,
  port: number,
  startMs: number,
): Promise<void> {
  let failure: string | null = null;
  child.once('error', (error) => {
    failure = `cannot be started: ${error.message}`;
  });
  child.once('exit', (code, signal) => {
    failure = `ended at start with ${signal ?? `code ${code}`}`;
  });
  const deadline = performance.now() + startMs;
  while (performance.now() < deadline) {
    if (failure !== null) throw new Error(failure);
    if (await canConnect(port)) return;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  throw new Error(`did not open its port within ${startMs / 1000} s`);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
