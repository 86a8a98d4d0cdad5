/** The broker that things are done to: a process that is killed, stopped and started again. */
import { brokerPath } from '../integration/support/broker.js';
import { freePort } from '../support/port.js';
import { Child } from '../support/process.js';
import type { TempFolder } from '../support/temp.js';

/** On a machine that is busy with other things, with a store to recover. */
const startMsMax = 60_000;
const stopMsMax = 20_000;

const settings = [
  'allow_anonymous true',
  // The publishers slow down when subscribers fall behind; nothing is dropped for want of room.
  'max_queued_messages 0',
  'max_queued_bytes 0',
  'max_inflight_messages 100',
  'sys_interval 0',
  'connection_messages false',
];

export class BrokerProcess {
  readonly port: number;
  /** Milliseconds from the start of the process to its being ready. */
  slowestStartMs = 0;
  /** How often it was started. */
  starts = 0;
  /** Errors in its log, and ends that nobody asked for. */
  readonly troubles: string[] = [];
  /** What all its processes have said that are over. */
  readonly log: string[] = [];
  private readonly configFile: string;
  private child: Child | null = null;
  private isEndWanted = false;

  private constructor(port: number, configFile: string) {
    this.port = port;
    this.configFile = configFile;
  }

  /**
   * @param storeLines of the configuration file
   * @param name tells the brokers of one folder apart
   */
  static async create(
    folder: TempFolder,
    storeLines: readonly string[],
    name = 'broker',
  ): Promise<BrokerProcess> {
    // One that no connection is given while the broker is away.
    const port = await freePort();
    const lines = [...settings, ...storeLines, `listener ${port} 127.0.0.1`];
    return new BrokerProcess(port, folder.write(`${name}.conf`, `${lines.join('\n')}\n`));
  }

  /** How often it said since its start that it was taken for dead, and begins anew. */
  get rejoins(): number {
    return this.child?.lines.filter((line) => line.includes('it joins again')).length ?? 0;
  }

  get isRunning(): boolean {
    return this.child?.isRunning ?? false;
  }

  /** Starts the process without waiting for it. */
  async spawn(): Promise<void> {
    this.isEndWanted = false;
    this.starts++;
    const child = await Child.start(process.execPath, [brokerPath, '-c', this.configFile]);
    this.child = child;
    void child.exited.then(({ code, signal }) => this.onExit(child, `${code ?? signal}`));
  }

  /** Starts the process and waits until clients may connect. */
  async start(): Promise<void> {
    const startedMs = performance.now();
    await this.spawn();
    await this.child!.untilLine('tidewire is ready', { deadlineMs: startMsMax });
    this.slowestStartMs = Math.max(this.slowestStartMs, performance.now() - startedMs);
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.isEndWanted = true;
    this.child?.signal('SIGKILL');
    await this.child?.exited;
  }

  /** SIGTERM; the process must end by itself, with exit code 0. */
  async stop(): Promise<void> {
    if (this.child === null || !this.child.isRunning) return;
    this.isEndWanted = true;
    const { code } = await this.child.stop('SIGTERM', { deadlineMs: stopMsMax });
    if (code !== 0) this.troubles.push(`ended with ${code} after SIGTERM`);
  }

  /** SIGUSR1: it says in its log how it is. */
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGUSR1'): void {
    this.child?.signal(signal);
  }

  private onExit(child: Child, how: string): void {
    this.log.push(...child.lines, `--- process ${child.pid} ended with ${how}`);
    for (const line of child.lines) {
      if (line.includes('"level":"error"')) this.troubles.push(line);
    }
    if (this.isEndWanted) return;
    this.troubles.push(`ended by itself with ${how}: ${child.lines.slice(-5).join(' | ')}`);
  }
}
