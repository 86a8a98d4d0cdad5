/** A listener on a free port whose connections are recorded: what every test here begins with. */
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../../src/base/clock.js';
import { silentLog } from '../../../src/base/log.js';
import type { Transport, TransportReceiver } from '../../../src/broker/transport.js';
import type { ListenerConfig, TlsConfig } from '../../../src/config/config.js';
import { defaultListener, defaultTls } from '../../../src/config/defaults.js';
import { Admission, type RefusalReason } from '../../../src/listen/admission.js';
import type { ListenerLimits } from '../../../src/listen/edge.js';
import {
  createListener,
  type Listener,
  type ListenerOptions,
} from '../../../src/listen/listener.js';
import { projectRoot } from '../../support/root.js';
import { until } from '../../support/until.js';

export const noLimits = {
  connectionsMax: -1,
  connectionsPerAddressMax: 0,
  connectRatePerSecond: 0,
};

export function fixture(name: string): string {
  return `${projectRoot}/test/fixtures/tls/${name}`;
}

export function serverTls(overrides: Partial<TlsConfig> = {}): TlsConfig {
  return defaultTls({
    certFile: fixture('server.crt'),
    keyFile: fixture('server.key'),
    ...overrides,
  });
}

/** Keeps what a transport says. `onBytes` may act on it while it is said. */
export class Recorder implements TransportReceiver {
  readonly transport: Transport;
  readonly acceptedAtMs: number;
  readonly chunks: Buffer[] = [];
  readonly written: Buffer[] = [];
  readonly events: string[] = [];
  byteCount = 0;
  lowestStart = Number.POSITIVE_INFINITY;
  closeCount = 0;
  error: Error | null = null;
  onBytes: ((recorder: Recorder) => void) | null = null;

  constructor(transport: Transport, acceptedAtMs: number) {
    this.transport = transport;
    this.acceptedAtMs = acceptedAtMs;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.events.push('data');
    this.lowestStart = Math.min(this.lowestStart, start);
    this.chunks.push(Buffer.from(bytes.subarray(start, end)));
    this.byteCount += end - start;
    // A receiver may overwrite the headroom and its own bytes.
    bytes.fill(0xee, 0, end);
    this.onBytes?.(this);
  }

  onWritten(chunk: Buffer): void {
    this.events.push('written');
    this.written.push(chunk);
  }

  onClose(error: Error | null): void {
    this.events.push('close');
    this.closeCount += 1;
    this.error = error;
  }

  untilBytes(count: number): Promise<true> {
    return until(`${count} bytes`, () => this.byteCount >= count) as Promise<true>;
  }

  untilClosed(): Promise<unknown> {
    return until('onClose', () => this.closeCount > 0);
  }
}

type Fixed = 'accept' | 'onRefused' | 'limits';

export interface RigOptions extends Partial<Omit<ListenerOptions, Fixed>>, Partial<ListenerLimits> {
  /** Sees every recorder before the transport reads. */
  readonly onAccept?: (recorder: Recorder) => void;
}

export class Rig {
  readonly listener: Listener;
  readonly recorders: Recorder[] = [];
  readonly refused: RefusalReason[] = [];
  /** A test may change them, as a reload does. */
  limits: ListenerLimits;

  private constructor(config: Partial<ListenerConfig>, options: RigOptions) {
    const { onAccept, connectTimeoutMs = 5_000, packetBytesMax = 2_000_000, ...rest } = options;
    this.limits = { connectTimeoutMs, packetBytesMax };
    this.listener = createListener(
      defaultListener({ port: 0, host: config.socketPath ? null : '127.0.0.1', ...config }),
      {
        admission: new Admission(noLimits, systemClock),
        clock: systemClock,
        log: silentLog,
        limits: () => this.limits,
        noDelay: true,
        pskKey: null,
        fastEdge: true,
        ...rest,
        onRefused: (reason) => this.refused.push(reason),
        accept: (transport, _config, acceptedAtMs) => {
          const recorder = new Recorder(transport, acceptedAtMs);
          this.recorders.push(recorder);
          onAccept?.(recorder);
          return recorder;
        },
      },
    );
  }

  static async open(config: Partial<ListenerConfig> = {}, options: RigOptions = {}): Promise<Rig> {
    const rig = new Rig(config, options);
    await rig.listener.listen();
    return rig;
  }

  /** Runs `body` with an open rig; everything is gone afterwards. */
  static async with(
    config: Partial<ListenerConfig>,
    options: RigOptions,
    body: (rig: Rig) => Promise<void>,
  ): Promise<void> {
    const rig = await Rig.open(config, options);
    try {
      await body(rig);
    } finally {
      await rig.close();
    }
  }

  get port(): number {
    return (this.listener.addresses()[0] as AddressInfo).port;
  }

  /** The recorder of the connection number `index`, from 0. */
  async recorder(index = 0): Promise<Recorder> {
    await until(`connection ${index}`, () => this.recorders.length > index);
    return this.recorders[index];
  }

  untilRefused(reason: RefusalReason): Promise<unknown> {
    return until(`refusal ${reason} (have: ${this.refused})`, () => this.refused.includes(reason));
  }

  async close(): Promise<void> {
    for (const { transport } of this.recorders) transport.destroy();
    await this.listener.close();
    await until('all connections to be gone', () => this.listener.connections === 0);
  }
}
