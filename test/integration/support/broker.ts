/**
 * The executable as users start it, with clients of every kind that end with the test. Which
 * broker: TIDEWIRE_BROKER, or dist/broker.js of this project.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { IClientOptions } from 'mqtt';
import { freePort } from '../../support/port.js';
import { Child, type ChildOptions, type Exit, run } from '../../support/process.js';
import { projectRoot } from '../../support/root.js';
import { TempFolder } from '../../support/temp.js';
import type { UntilOptions } from '../../support/until.js';
import { TestClient } from './test-client.js';

export const brokerPath: string = resolve(
  projectRoot,
  process.env.TIDEWIRE_BROKER ?? join('dist', 'broker.js'),
);

// Settings for a broker do not reach those of the tests: only their files count.
for (const name of Object.keys(process.env)) {
  if (name.startsWith('TIDEWIRE_')) delete process.env[name];
}
if (!existsSync(brokerPath)) throw new Error(`${brokerPath} is missing: npm run build`);

/** The absolute path of a file in test/fixtures/tls. */
export function tlsFixture(name: string): string {
  return join(projectRoot, 'test', 'fixtures', 'tls', name);
}

/** Lines that make a listener one for TLS. */
export const tlsLines: readonly string[] = [
  `certfile ${tlsFixture('server.crt')}`,
  `keyfile ${tlsFixture('server.key')}`,
];

/** On a machine that is busy with other things. */
const startMsMax = 20_000;

export interface BrokerOptions {
  /** Lines before the first listener; anonymous clients are let in unless they say otherwise. */
  readonly global?: readonly string[];
  /** Lines of each TCP listener, in order; default: one without any. FOLDER is `folder`. */
  readonly listeners?: readonly (readonly string[])[];
  /** Lines behind the last listener, such as one at a Unix socket. */
  readonly more?: readonly string[];
  /** Options of Node: what stands before the script. */
  readonly nodeOptions?: readonly string[];
  readonly folder?: TempFolder;
  /** Writes files that must be there before the start. */
  readonly prepare?: (folder: TempFolder) => void | Promise<void>;
}

/** The broker with a configuration file of its own, and everything that talks to it. */
export class RunningBroker {
  readonly child: Child;
  readonly folder: TempFolder;
  /** Of the TCP listeners, in order. */
  readonly ports: readonly number[];
  readonly configFile: string;
  private readonly clients = new Set<TestClient>();
  private readonly programs = new Set<Child>();

  private constructor(child: Child, folder: TempFolder, ports: number[], configFile: string) {
    this.child = child;
    this.folder = folder;
    this.ports = ports;
    this.configFile = configFile;
  }

  /** Starts it and waits until it says that it is ready. */
  static async start(options: BrokerOptions = {}): Promise<RunningBroker> {
    const folder = options.folder ?? new TempFolder();
    await options.prepare?.(folder);
    const { listeners = [[]], global = [], more = [], nodeOptions = [] } = options;
    const ports: number[] = [];
    const isOpen = !global.some((line) => line.startsWith('allow_anonymous'));
    const lines = [...(isOpen ? ['allow_anonymous true'] : []), ...global];
    for (const settings of listeners) {
      const port = await freePort();
      ports.push(port);
      lines.push(`listener ${port} 127.0.0.1`, ...settings);
    }
    const text = `${[...lines, ...more].join('\n')}\n`.replaceAll('FOLDER', folder.path);
    const configFile = folder.write('broker.conf', text);
    const child = await Child.start(process.execPath, [
      ...nodeOptions,
      ...[brokerPath, '-c', configFile],
    ]);
    const broker = new RunningBroker(child, folder, ports, configFile);
    await child.untilLine('tidewire is ready', { deadlineMs: startMsMax });
    return broker;
  }

  /** Connects MQTT.js to the first listener, or to another one. */
  async connect(
    options: IClientOptions & { readonly listener?: number } = {},
  ): Promise<TestClient> {
    const { listener = 0, ...rest } = options;
    const client = TestClient.open({
      protocol: 'mqtt',
      host: '127.0.0.1',
      port: this.ports[listener],
      ...rest,
    });
    this.clients.add(client);
    await client.untilConnected();
    return client;
  }

  /** A client that is not connected yet, or may never be. */
  open(options: IClientOptions = {}): TestClient {
    const client = TestClient.open({
      protocol: 'mqtt',
      host: '127.0.0.1',
      port: this.ports[0],
      ...options,
    });
    this.clients.add(client);
    return client;
  }

  /** Runs mosquitto_pub, or another program that ends by itself, against the first listener. */
  async run(
    program: string,
    args: readonly string[],
    options?: ChildOptions & UntilOptions,
  ): Promise<Exit & { readonly output: string; readonly stdout: string }> {
    return run(program, this.addressed(args), options);
  }

  /** Starts mosquitto_sub and waits until it is subscribed. Its messages are `messagesOf(it)`. */
  async subscriber(args: readonly string[]): Promise<Child> {
    // Line by line: what -d says is not flushed by itself.
    const words = ['-oL', 'mosquitto_sub', '-d', ...this.addressed(args)];
    const child = await Child.start('stdbuf', words);
    this.programs.add(child);
    await child.untilLine('Subscribed (mid');
    return child;
  }

  /** Ends everything that talks to the broker, then the broker; its exit code must be 0. */
  async stop(): Promise<void> {
    await this.leave();
    const { code } = await this.child.stop();
    this.folder.remove();
    if (code !== 0) throw new Error(`the broker ended with ${code}:\n${this.child.output}`);
  }

  /** Ends all clients. */
  async leave(): Promise<void> {
    await Promise.all([...this.clients].map((client) => client.end()));
    this.clients.clear();
    for (const program of this.programs) program.signal('SIGKILL');
    await Promise.all([...this.programs].map((program) => program.exited));
    this.programs.clear();
  }

  private addressed(args: readonly string[]): string[] {
    const hasAddress = args.includes('-p') || args.includes('--unix');
    return hasAddress ? [...args] : ['-h', '127.0.0.1', '-p', `${this.ports[0]}`, ...args];
  }
}

/** Runs `body` with a broker that is stopped afterwards, also when it throws. */
export async function withBroker(
  options: BrokerOptions,
  body: (broker: RunningBroker) => Promise<void>,
): Promise<void> {
  const broker = await RunningBroker.start(options);
  try {
    await body(broker);
  } catch (error) {
    await broker.leave();
    broker.child.signal('SIGKILL');
    await broker.child.exited;
    broker.folder.remove();
    throw error;
  }
  await broker.stop();
}

/** What `mosquitto_sub -d` printed of messages, without its own chatter. */
export function messagesOf(child: Child): string[] {
  return child.stdoutLines.filter((line) => !/^(Client |Subscribed |\s*$)/.test(line));
}
