/** The broker that is fuzzed: a process with every kind of plain listener and narrow limits. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { RunningBroker } from '../integration/support/broker.js';
import { packetBytesMax, receiveMaximum, topicAliasMaximum } from './corpus/in-session.js';
import { Inspector, type Memory } from './inspector.js';

export interface Ports {
  readonly plain: number;
  readonly mounted: number;
  readonly proxy: number;
  readonly websocket: number;
}

/** Small, so that the fuzzer reaches every limit and what it leaves behind is bounded. */
const global = [
  'connect_timeout_ms 1500',
  `max_packet_size ${packetBytesMax}`,
  `receive_maximum ${receiveMaximum}`,
  'max_connect_bytes 70000',
  'max_inflight_messages 5',
  'max_queued_messages 20',
  'max_queued_bytes 100000',
  'max_output_buffer_bytes 131072',
  'max_retained_messages 100',
  'max_retained_bytes 500000',
  'global_max_clients 2000',
  'slow_subscriber_pause_ms 20',
];
const listeners: readonly (readonly string[])[] = [
  [`max_topic_alias ${topicAliasMaximum}`],
  [`max_topic_alias ${topicAliasMaximum}`, 'mount_point plant/', 'max_qos 1'],
  [`max_topic_alias ${topicAliasMaximum}`, 'enable_proxy_protocol 2'],
  [`max_topic_alias ${topicAliasMaximum}`, 'protocol websockets'],
];
const kib = 1024;

export class FuzzedBroker {
  readonly running: RunningBroker;
  readonly ports: Ports;
  private readonly inspector: Inspector;

  private constructor(running: RunningBroker, inspector: Inspector) {
    this.running = running;
    this.inspector = inspector;
    const [plain, mounted, proxy, websocket] = running.ports;
    this.ports = { plain, mounted, proxy, websocket };
  }

  static async start(): Promise<FuzzedBroker> {
    const nodeOptions = ['--inspect=127.0.0.1:0'];
    const running = await RunningBroker.start({ global, listeners, nodeOptions });
    const line = await running.child.untilLine('Debugger listening on ws://');
    const inspector = await Inspector.connect(line.slice(line.indexOf('ws://')));
    return new FuzzedBroker(running, inspector);
  }

  get isAlive(): boolean {
    return this.running.child.isRunning;
  }

  /** Live bytes, after a full garbage collection. */
  memory(): Promise<Memory> {
    return this.inspector.memoryAfterCollection();
  }

  /** Resident bytes as the system counts them; -1 where there is no /proc. */
  residentBytes(): number {
    const status = read(`/proc/${this.running.child.pid}/status`);
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(status ?? '');
    return match === null ? -1 : Number(match[1]) * kib;
  }

  /** Open sockets, listening ones included; -1 where there is no /proc. */
  sockets(): number {
    const folder = `/proc/${this.running.child.pid}/fd`;
    try {
      return readdirSync(folder).filter((name) => isSocket(`${folder}/${name}`)).length;
    } catch {
      return -1;
    }
  }

  /** Ends it in the orderly way; rejects when its exit code is not 0. */
  async stop(): Promise<void> {
    // The debugger’s connection would hold the process back.
    this.inspector.close();
    await this.running.stop();
  }

  /** Ends it in any case. */
  async kill(): Promise<void> {
    this.inspector.close();
    await this.running.leave();
    this.running.child.signal('SIGKILL');
    await this.running.child.exited;
    this.running.folder.remove();
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** A descriptor may be gone between listing and looking. */
function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith('socket:');
  } catch {
    return false;
  }
}
