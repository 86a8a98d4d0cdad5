/** A broker under test: started here, one process per profile, or already there. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Endpoint, openTcp } from '../raw/wire.js';
import { type BrokerKind, type Group, groupOf, type ProfileName, user } from './profiles.js';

const START_MS = 40_000;
const STOP_MS = 6000;
const RETRY_MS = 25;
const certificateFiles = ['key.pem', 'certificate.pem'] as const;

export interface Broker {
  readonly name: string;
  /** Those that may be connected to now: more than one of a cluster. */
  readonly nodes: readonly number[];
  /** Null when this broker can run the profile; else why not. */
  missing(profile: ProfileName): string | null;
  start(profiles: Iterable<ProfileName>): Promise<void>;
  /** @param node of a cluster, from 0 */
  endpoint(profile: ProfileName, node?: number): Endpoint;
  /** User and password of the `access` profile. */
  readonly credentials: { readonly username: string; readonly password: string };
  /** Folder with the files of a profile's group. */
  folder(profile: ProfileName): string;
  /** Text about each process that ended by itself; empty when all is well. */
  faults(): string[];
  stop(): Promise<void>;
}

/** `--broker host:port`: only what its default configuration can show. */
export class RemoteBroker implements Broker {
  readonly name: string;
  readonly nodes = [0];
  readonly credentials = user;
  private readonly remote: Endpoint;

  constructor(remote: Endpoint) {
    this.remote = remote;
    this.name = `${remote.host}:${remote.port}`;
  }

  missing(profile: ProfileName): string | null {
    return profile === 'default' ? null : `needs the configuration ${profile}`;
  }

  async start(): Promise<void> {
    (await openTcp(this.remote)).destroy();
  }

  endpoint(): Endpoint {
    return this.remote;
  }

  folder(profile: ProfileName): string {
    throw new Error(`no folder of ${profile} at a broker that is already there`);
  }

  faults(): string[] {
    return [];
  }

  async stop(): Promise<void> {}
}

interface Running {
  readonly group: Group;
  readonly folder: string;
  readonly ports: ReadonlyMap<ProfileName, number>;
  readonly child: ChildProcess;
  output: string;
}

/** What makes a broker one of several. */
export interface LocalOptions {
  readonly name?: string;
  /** More lines of the configuration of each process. */
  readonly linesOf?: (group: Group) => readonly string[];
  /** Its certificate is used: clients know one only. */
  readonly first?: LocalBroker;
}

/** A broker that this run starts: one process per group of profiles. */
export class LocalBroker implements Broker {
  readonly name: string;
  readonly nodes = [0];
  readonly credentials = user;
  private readonly kind: BrokerKind;
  /** Executable and its first arguments. */
  private readonly command: readonly string[];
  private readonly options: LocalOptions;
  private readonly running = new Map<string, Running>();
  private readonly ended: string[] = [];
  private isStopping = false;

  constructor(kind: BrokerKind, command: readonly string[], options: LocalOptions = {}) {
    this.kind = kind;
    this.name = options.name ?? kind;
    this.command = command;
    this.options = options;
  }

  missing(profile: ProfileName): string | null {
    if (profile === 'tls' && !hasOpenssl()) return 'openssl is not installed';
    return groupOf(profile).not.includes(this.kind) ? `${this.kind} has no ${profile}` : null;
  }

  async start(profiles: Iterable<ProfileName>): Promise<void> {
    const groups = new Set([...profiles].map(groupOf));
    await Promise.all([...groups].map((group) => this.startGroup(group)));
  }

  endpoint(profile: ProfileName): Endpoint {
    return { host: '127.0.0.1', port: this.get(profile).ports.get(profile) as number };
  }

  folder(profile: ProfileName): string {
    return this.get(profile).folder;
  }

  faults(): string[] {
    return this.ended;
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all([...this.running.values()].map((one) => this.stopOne(one)));
    this.running.clear();
  }

  private get(profile: ProfileName): Running {
    const running = this.running.get(groupOf(profile).name);
    if (running === undefined) throw new Error(`${this.name} was not started for ${profile}`);
    return running;
  }

  private async startGroup(group: Group): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), `conformance-${group.name}-`));
    const profiles = Object.keys(group.listeners) as ProfileName[];
    const free = await freePorts(profiles.length);
    const ports = new Map(profiles.map((profile, at) => [profile, free[at]]));
    for (const [name, text] of Object.entries(group.files())) {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
    }
    if (group.name === 'tls') this.provideCertificate(folder);
    const file = join(folder, 'broker.conf');
    writeFileSync(file, this.configuration(group, ports, folder));
    const [program, ...first] = this.command;
    const child = spawn(program, [...first, '-c', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: cleanEnvironment(),
    });
    const running: Running = { group, folder, ports, child, output: '' };
    this.running.set(group.name, running);
    const collect = (bytes: Buffer) => {
      running.output = `${running.output}${bytes.toString('utf8')}`.slice(-4000);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => this.ended.push(`${program}: ${error.message}`));
    child.on('exit', (status, signal) => {
      if (this.isStopping) return;
      const how = signal ?? `status ${status}`;
      this.ended.push(`${this.name} (${group.name}) ended with ${how}: ${running.output.trim()}`);
    });
    await Promise.all([...ports.values()].map((port) => this.waitFor(port, running)));
  }

  private configuration(
    group: Group,
    ports: ReadonlyMap<ProfileName, number>,
    folder: string,
  ): string {
    const more = this.options.linesOf?.(group) ?? [];
    const lines = [...group.lines, ...(group.own[this.kind] ?? []), ...more];
    if (this.kind === 'mosquitto' && process.getuid?.() === 0) lines.push('user root');
    for (const [profile, port] of ports) {
      lines.push(`listener ${port} 127.0.0.1`, ...(group.listeners[profile] ?? []));
    }
    return `${lines.join('\n').replaceAll('FOLDER', folder)}\n`;
  }

  private provideCertificate(folder: string): void {
    const { first } = this.options;
    if (first === undefined) writeCertificate(folder);
    else {
      for (const name of certificateFiles) {
        copyFileSync(join(first.folder('tls'), name), join(folder, name));
      }
    }
  }

  private async waitFor(port: number, running: Running): Promise<void> {
    const end = performance.now() + START_MS;
    for (;;) {
      if (this.ended.length > 0) throw new Error(this.ended[0]);
      try {
        (await openTcp({ host: '127.0.0.1', port })).destroy();
        return;
      } catch {
        if (performance.now() > end) {
          const where = `${this.name} (${running.group.name}) does not listen on ${port}`;
          throw new Error(`${where} after ${START_MS / 1000} s: ${running.output.trim()}`);
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  private async stopOne({ child, folder }: Running): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) {
      const exit = new Promise((resolve) => child.once('exit', resolve));
      const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      child.kill('SIGTERM');
      await exit;
      clearTimeout(deadline);
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The environment without settings for a broker: only the file counts. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('TIDEWIRE_'));
  return Object.fromEntries(entries);
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address !== null && typeof address === 'object') ports.push(address.port);
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function hasOpenssl(): boolean {
  const folders = (process.env.PATH ?? '').split(':');
  return folders.some((folder) => existsSync(join(folder, 'openssl')));
}

function writeCertificate(folder: string): void {
  const request = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2'.split(' ');
  const [key, certificate] = certificateFiles.map((name) => join(folder, name));
  const files = ['-keyout', key, '-out', certificate];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  execFileSync('openssl', ['req', ...request, ...files, ...names], { stdio: 'ignore' });
}
