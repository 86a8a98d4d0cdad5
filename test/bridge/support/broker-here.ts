/** A broker in the process of the test, from lines of a configuration file. */
import type { IClientOptions } from 'mqtt';
import { Assembly, type AssemblyOptions } from '../../../src/assembly.js';
import type { LogFields, LogLevel } from '../../../src/base/log.js';
import type { Session } from '../../../src/broker/session.js';
import type { Config } from '../../../src/config/config.js';
import { parseConfig } from '../../../src/config/mosquitto-conf.js';
import { memoryFiles } from '../../config/support.js';
import { TestClient } from '../../integration/support/test-client.js';
import { freePort } from '../../support/port.js';
import { until } from '../../support/until.js';

export interface Logged {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
}

export class BrokerHere {
  readonly port: number;
  readonly assembly: Assembly;
  readonly logged: Logged[] = [];
  private readonly hostName: string;
  private readonly clients = new Set<TestClient>();

  private constructor(
    port: number,
    hostName: string,
    lines: readonly string[],
    options: AssemblyOptions,
  ) {
    this.port = port;
    this.hostName = hostName;
    this.assembly = new Assembly(this.configOf(lines), {
      log: {
        write: (level, event, fields = {}) => this.logged.push({ level, event, fields }),
        enabled: () => true,
      },
      ...options,
    });
  }

  /** @param hostName as the names of bridges have it */
  static async start(
    hostName: string,
    lines: readonly string[] = [],
    options: AssemblyOptions & { readonly port?: number } = {},
  ): Promise<BrokerHere> {
    const { port = await freePort(), ...rest } = options;
    const broker = new BrokerHere(port, hostName, lines, rest);
    await broker.assembly.start();
    return broker;
  }

  /** Applies other lines, as SIGHUP does. */
  reload(lines: readonly string[]): readonly Error[] {
    return this.assembly.reload(this.configOf(lines)).errors;
  }

  async connect(options: IClientOptions = {}): Promise<TestClient> {
    const client = TestClient.open({
      ...{ protocol: 'mqtt', host: '127.0.0.1', port: this.port },
      ...options,
    });
    this.clients.add(client);
    await client.untilConnected();
    return client;
  }

  /** A client that is subscribed. */
  async subscriber(filter: string, qos: 0 | 1 | 2 = 2): Promise<TestClient> {
    const client = await this.connect();
    await client.subscribe(filter, qos);
    return client;
  }

  session(clientId: string): Session | null {
    return this.assembly.core.sessions.get(clientId);
  }

  /** How often an event was logged. */
  count(event: string): number {
    return this.logged.filter((one) => one.event === event).length;
  }

  async untilLogged(event: string, count = 1, deadlineMs = 10_000): Promise<Logged> {
    try {
      await until(event, () => this.count(event) >= count, { deadlineMs });
    } catch (cause) {
      const lines = this.logged.map((one) => `${one.event} ${JSON.stringify(one.fields)}`);
      throw new Error(`no "${event}" in:\n${lines.join('\n')}`, { cause });
    }
    return this.logged.filter((one) => one.event === event)[count - 1]!;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.clients].map((client) => client.end()));
    await this.assembly.close();
  }

  private configOf(lines: readonly string[]): Config {
    const own = ['max_queued_messages 0', `listener ${this.port} 127.0.0.1`];
    const isOpen = !lines.some((line) => line.startsWith('allow_anonymous'));
    const text = [...own, ...(isOpen ? ['allow_anonymous true'] : []), ...lines].join('\n');
    return parseConfig({
      file: 'm.conf',
      files: memoryFiles({ 'm.conf': `${text}\n` }),
      process: { hostName: this.hostName, pid: 1 },
    }).config;
  }
}

/** The numbers from 0 up to and without `count`, as payloads. */
export function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${n}`);
}
