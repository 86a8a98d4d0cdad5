/**
 * Stands in for ioredis below `Connection`: takes commands that are encoded already, and gives
 * their replies in order.
 */
import type { Redis, RedisOptions } from 'ioredis';
import type { Process } from '../loop.js';
import type { Network } from './network.js';
import { ErrorReply, type Reply, toClient } from './reply.js';
import { parseCommands } from './resp.js';
import type { End, Wire } from './wire.js';

/** A command, as `Connection` makes it. */
interface Cell {
  toWritable(): Buffer;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class FakeClient implements End {
  readonly process: Process;
  readonly stream = { destroy: () => this.disconnect() };
  private readonly network: Network;
  private readonly options: RedisOptions;
  private wire: Wire | null = null;
  private cells: Cell[] = [];
  private cellAt = 0;
  private onClosed: (() => void) | null = null;
  private isOver = false;
  private settle: { resolve(): void; reject(error: Error): void } | null = null;

  constructor(network: Network, process: Process, options: RedisOptions) {
    this.network = network;
    this.process = process;
    this.options = options;
  }

  asRedis(): Redis {
    return this as unknown as Redis;
  }

  on(event: 'close' | 'error', listener: () => void): this {
    if (event === 'close') this.onClosed = listener;
    return this;
  }

  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
      this.wire = this.network.connect(this, this.options.port!);
      // Stands for the greeting.
      this.wire.fromClient([['HELLO']]);
    });
  }

  sendCommand(cell: Cell, elsewhere?: unknown): void {
    if (this.isOver) {
      cell.reject(new Error('Connection is closed.'));
      return;
    }
    this.cells.push(cell);
    if (elsewhere === undefined) this.wire!.fromClient(parseCommands(cell.toWritable()));
  }

  disconnect(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.wire?.closeByClient();
    this.settle?.reject(new Error('Connection is closed.'));
    this.settle = null;
  }

  onData(data: unknown): void {
    if (this.isOver) return;
    for (const reply of data as readonly Reply[]) this.onReply(reply);
  }

  onClose(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.settle?.reject(new Error('connect ECONNREFUSED'));
    this.settle = null;
    this.onClosed?.();
  }

  private onReply(reply: Reply): void {
    if (this.settle !== null) {
      this.settle.resolve();
      this.settle = null;
      return;
    }
    const cell = this.cells[this.cellAt++];
    if (cell === undefined) return;
    if (this.cellAt > 1_000) this.cells = this.cells.splice(this.cellAt);
    if (this.cellAt > 1_000) this.cellAt = 0;
    if (reply instanceof ErrorReply) {
      const error = new Error(reply.message);
      error.name = 'ReplyError';
      cell.reject(error);
    } else {
      cell.resolve(toClient(reply));
    }
  }
}
