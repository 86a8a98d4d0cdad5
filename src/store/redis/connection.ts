/**
 * One plain connection to one Redis server, the only place that knows ioredis. Hot path.
 *
 * ioredis connects, authenticates and reads replies; nothing of what it does about errors is used:
 * it would send writes again whose outcome is unknown, and in another order. Here a connection
 * that has any trouble is over: all that waits for a reply fails, and its owner opens another one.
 *
 * Whole batches are written as one buffer. ioredis keeps the order of replies by a queue of
 * commands; a `Cell` is such a command that has been encoded already.
 */
import { type Command, Redis, type RedisOptions } from 'ioredis';
import type { Clock } from '../../base/clock.js';
import { BrokerError } from '../../base/errors.js';
import { CommandBuffer } from './command-buffer.js';
import type { RedisTls } from './options.js';
import { CONNECT_MS, SILENCE_MS, SLOWEST_BYTES_PER_MS } from './tuning.js';

/** Code of the error of everything that waited when a connection ended. */
export const CONNECTION_LOST = 'REDIS_CONNECTION_LOST';
/** Answered commands that are remembered before they are cut off. */
const CELLS_SETTLED = 4_096;

/** Where a server is. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Makes the client of each connection; a simulation puts one without a socket in its place. */
export const clients = {
  make: (options: RedisOptions & { replyMapping?: 'legacy' }): Redis => new Redis(options),
};

export function addressText({ host, port }: Address): string {
  return `${host}:${port}`;
}

export interface Login {
  readonly username: string | null;
  readonly password: string | null;
  readonly tls: RedisTls | null;
  /** Shown by `CLIENT LIST`. */
  readonly name: string;
}

/** Takes the replies of commands by their place in what was sent. */
export interface ReplySink {
  /** `error` is null for a reply. */
  onReply(index: number, value: unknown, error: Error | null): void;
}

export class Connection {
  readonly address: Address;
  /** Called once when the connection is over, after all that waited has failed. */
  onEnd: (reason: string) => void = () => undefined;
  isOpen = false;
  private readonly redis: Redis;
  private readonly clock: Clock;
  /** Commands that wait for their replies begin at `firstCell`. */
  // What was answered leaves a null behind, or it would grow old with the list.
  private cells: (Cell | null)[] = [];
  private firstCell = 0;
  /** Bytes of batches of which nothing was answered yet. */
  private bytesOut = 0;
  /** Since when nothing came although something is waited for. */
  private silentSinceMs = 0;
  private settledAtLook = 0;
  private settled = 0;
  private isOver = false;
  private endReason = '';

  constructor(address: Address, login: Login, clock: Clock) {
    this.address = address;
    this.clock = clock;
    this.redis = clients.make({
      host: address.host,
      port: address.port,
      ...(login.username === null ? {} : { username: login.username }),
      ...(login.password === null ? {} : { password: login.password }),
      ...(login.tls === null ? {} : { tls: { ...login.tls } }),
      connectionName: login.name,
      protocol: 2,
      lazyConnect: true,
      connectTimeout: CONNECT_MS,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      disableClientInfo: true,
      maxRetriesPerRequest: 0,
      retryStrategy: null,
    });
    this.redis.on('error', (error: Error) => this.end(error.message));
    this.redis.on('close', () => this.end('the connection was closed'));
  }

  /** True while replies are waited for. */
  get isBusy(): boolean {
    return this.firstCell < this.cells.length;
  }

  /** @throws BrokerError `REDIS_CONNECT` */
  async open(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${CONNECT_MS} ms`)), CONNECT_MS);
    });
    try {
      await Promise.race([this.redis.connect(), tooLate]);
    } catch (cause) {
      this.end(cause instanceof Error ? cause.message : String(cause));
      const detail = `Redis at ${addressText(this.address)} cannot be reached: ${this.endReason}`;
      throw new BrokerError('REDIS_CONNECT', detail, { cause });
    } finally {
      clearTimeout(timer);
    }
    if (this.isOver) throw this.lost();
    this.isOpen = true;
  }

  /** Sends encoded commands; `sink` hears of `replies` replies, in order. */
  send(bytes: Buffer, replies: number, sink: ReplySink): void {
    if (this.isOver) {
      const error = this.lost();
      for (let index = 0; index < replies; index++) sink.onReply(index, null, error);
      return;
    }
    if (!this.isBusy) this.silentSinceMs = this.clock.nowMs();
    if (this.firstCell >= CELLS_SETTLED) {
      this.cells = this.cells.slice(this.firstCell);
      this.firstCell = 0;
    }
    this.bytesOut += bytes.length;
    for (let index = 0; index < replies; index++) {
      if (this.isOver) {
        sink.onReply(index, null, this.lost());
        continue;
      }
      // The first one carries the bytes of all.
      const cell = new Cell(this, sink, index, index === 0 ? bytes : nothing);
      this.cells.push(cell);
      if (index === 0) this.redis.sendCommand(cell as unknown as Command);
      else this.redis.sendCommand(cell as unknown as Command, nowhere);
    }
  }

  /** One command, for what is not in the hot path. */
  command(...parts: readonly (string | Buffer)[]): Promise<unknown> {
    const buffer = new CommandBuffer();
    buffer.command(parts.length);
    for (const part of parts) {
      if (typeof part === 'string') buffer.text(part);
      else buffer.blob(part);
    }
    return new Promise((resolve, reject) => {
      this.send(buffer.take(), 1, {
        onReply: (_, value, error) => (error === null ? resolve(value) : reject(error)),
      });
    });
  }

  /** Ends the connection when the server has been silent for too long. */
  checkSilence(): void {
    const nowMs = this.clock.nowMs();
    if (!this.isBusy || this.settled !== this.settledAtLook) {
      this.settledAtLook = this.settled;
      this.silentSinceMs = nowMs;
      return;
    }
    const allowedMs = SILENCE_MS + this.bytesOut / SLOWEST_BYTES_PER_MS;
    if (nowMs - this.silentSinceMs > allowedMs) this.end(`no answer for ${SILENCE_MS} ms`);
  }

  close(): void {
    this.end('closed');
  }

  /** For `Cell`. */
  onSettled(bytes: number): void {
    this.cells[this.firstCell++] = null;
    this.settled++;
    this.bytesOut -= bytes;
  }

  /** For `Cell`: ioredis gave a command up. */
  onBroken(error: Error): void {
    this.end(error.message);
  }

  private end(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.isOpen = false;
    this.endReason = reason;
    this.redis.disconnect();
    // A server that is stopped would not close its side for hours.
    (this.redis.stream as typeof this.redis.stream | undefined)?.destroy();
    const { cells } = this;
    const error = this.lost();
    this.cells = [];
    this.firstCell = 0;
    for (const cell of cells) cell?.reject(error);
    this.onEnd(reason);
  }

  private lost(): BrokerError {
    const detail = `Redis at ${addressText(this.address)}: ${this.endReason}`;
    return new BrokerError(CONNECTION_LOST, detail);
  }
}

/** A command as ioredis sees it, encoded before. One shape, and no promise. */
class Cell {
  readonly name = 'evalsha';
  readonly args: readonly string[] = noArgs;
  readonly promise = undefined;
  isTraced = true;
  private readonly size: number;
  private bytes: Buffer;
  private readonly connection: Connection;
  private readonly index: number;
  private sink: ReplySink | null;

  constructor(connection: Connection, sink: ReplySink, index: number, bytes: Buffer) {
    this.connection = connection;
    this.sink = sink;
    this.index = index;
    this.bytes = bytes;
    this.size = bytes.length;
  }

  setReplyContext(): void {
    // Replies are taken as they come.
  }

  /** Called once, and the bytes are the socket's from then on: cells outlive their answers. */
  toWritable(): Buffer {
    const { bytes } = this;
    this.bytes = nothing;
    return bytes;
  }

  resolve(value: unknown): void {
    this.settle(value, null);
  }

  reject(error: Error): void {
    if (error.name === 'ReplyError' || error instanceof BrokerError) this.settle(null, error);
    else this.connection.onBroken(error);
  }

  private settle(value: unknown, error: Error | null): void {
    const { sink } = this;
    if (sink === null) return;
    this.sink = null;
    this.connection.onSettled(this.size);
    sink.onReply(this.index, value, error);
  }
}

const noArgs: readonly string[] = [];
const nothing = Buffer.alloc(0);
/** Where the cells write whose bytes the first one has written. */
const nowhere = {
  isPipeline: true as const,
  write: () => true,
  destination: { redis: { stream: null as never } },
};
