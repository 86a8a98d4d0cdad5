/** The service in this process, with a configuration file that a test changes under it. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { parseConfig } from '../../src/config/mosquitto-conf.js';
import { Service } from '../../src/service.js';
import { TestClient } from '../integration/support/test-client.js';
import { SocketClient } from '../listen/support/clients.js';
import { fixture } from '../listen/support/rig.js';
import { linesOf } from '../ops/support.js';
import { freePort } from '../support/port.js';
import { TempFolder } from '../support/temp.js';
import { until } from '../support/until.js';

/** What shows that a key has taken effect, by key. */
export type Observations = Readonly<Record<string, () => void | Promise<void>>>;

type ClientOptions = Parameters<typeof TestClient.open>[0];

export class RunningService {
  readonly folder: TempFolder;
  readonly port: number;
  private readonly service: Service;
  private readonly clients = new Set<{ end(): unknown }>();

  private constructor(folder: TempFolder, port: number) {
    folder.write('log', '');
    this.folder = folder;
    this.port = port;
    const file = folder.file('broker.conf');
    const read = () => parseConfig({ file });
    this.service = new Service(read(), '1.2.3', read);
  }

  /**
   * Runs `body` with a service that is stopped afterwards.
   *
   * @param lines as `reload` takes them
   * @param files what must be there at the start: `FOLDER/NAME` and content
   */
  static async with(
    lines: readonly string[],
    body: (running: RunningService) => Promise<void>,
    files: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const folder = new TempFolder();
    for (const [path, content] of Object.entries(files)) folder.write(basename(path), content);
    const port = await freePort();
    writeConfiguration(folder, port, lines);
    const running = new RunningService(folder, port);
    await running.service.start();
    try {
      await until('the log', () => running.logged('tidewire is ready').length > 0);
      await body(running);
    } finally {
      for (const client of running.clients) await client.end();
      await running.service.stop();
      folder.remove();
    }
  }

  /** SIGHUP with `lines` in the file; PORT is `port`, FOLDER the path of `folder`. */
  reload(lines: readonly string[]): void {
    writeConfiguration(this.folder, this.port, lines);
    this.service.reload();
  }

  /** Connects MQTT.js. */
  async connect(options: ClientOptions = {}): Promise<TestClient> {
    const client = this.open(options);
    await client.untilConnected();
    return client;
  }

  open(options: ClientOptions = {}): TestClient {
    const client = TestClient.open({ host: '127.0.0.1', port: this.port, ...options });
    this.clients.add(client);
    return client;
  }

  /** False: CONNECT was refused, or the connection closed. */
  async accepts(options: ClientOptions = {}): Promise<boolean> {
    const client = this.open(options);
    await until('an answer', () => client.connects + client.errors.length + client.closes > 0);
    return client.connects > 0;
  }

  /** A TCP connection. */
  async socket(): Promise<SocketClient> {
    const client = await SocketClient.tcp({ port: this.port, host: '127.0.0.1' });
    this.clients.add({ end: () => client.destroy() });
    return client;
  }

  /** A TLS connection that is past the handshake and stays; null when it is refused. */
  async tls(options: ConnectionOptions = {}): Promise<SocketClient | null> {
    const client = SocketClient.tlsPending(this.port, options);
    this.clients.add({ end: () => client.destroy() });
    // With TLS 1.3 a client hears of its refusal only after its own handshake.
    client.send(Buffer.from([0x10, 0x0c, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 0]));
    await until('CONNACK or the end', () => client.received.length >= 4 || client.isOver);
    return client.received.length >= 4 ? client : null;
  }

  /** Lines of the file `name` with `part` in them. */
  logged(part: string, name = 'log'): string[] {
    return linesOf(this.folder.file(name)).filter((line) => line.includes(part));
  }

  /** The contents of all files whose names begin so. */
  files(prefix: string): string[] {
    const names = readdirSync(this.folder.path).filter((name) => name.startsWith(prefix));
    return names.map((name) => readFileSync(this.folder.file(name), 'utf8'));
  }
}

/** Options of a TLS client with a certificate of the fixtures. */
export function certificateOf(name: string): ConnectionOptions {
  return {
    cert: readFileSync(fixture(`${name}.crt`)),
    key: readFileSync(fixture(`${name}.key`)),
  };
}

function writeConfiguration(folder: TempFolder, port: number, lines: readonly string[]): void {
  const hasLog = lines.some((line) => line.startsWith('log_dest'));
  const text = [...(hasLog ? [] : ['log_dest file FOLDER/log']), ...lines, ''].join('\n');
  folder.write('broker.conf', text.replaceAll('FOLDER', folder.path).replaceAll('PORT', `${port}`));
}
