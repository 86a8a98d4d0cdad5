/**
 * Reads one stream as it grows, on a connection of its own, since such reads block. Follows the
 * stream to where its slot is, and goes on after any trouble.
 *
 *     ┌─▶ connect ──sink.begin: where from?──▶ read ──sink.take──┐
 *     │                                         ▲ └──────────────┤
 *     └──────── any trouble, or `restart` ◀─────┴────────────────┘
 *
 * Ids mean something only within one connection: after a failover that lost entries, the same id
 * may be another entry. So each connection begins with the question where to go on, and the sink
 * knows how to tell what it has already.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { assert } from '../../../base/assert.js';
import { BrokerError, messageOf } from '../../../base/errors.js';
import type { Cluster } from '../cluster.js';
import { type Address, Connection } from '../connection.js';
import { isAboutTopology, Refusal, redirection, refusalOf } from '../reply-error.js';
import { BLOCK_MS, RETRY_MS_MAX, RETRY_MS_MIN } from '../tuning.js';

export interface StreamEntry {
  readonly id: string;
  /** Name and value in turn. */
  readonly fields: readonly Buffer[];
}

export interface StreamSink {
  /**
   * A connection is there.
   *
   * @param ask one command there
   * @returns the id after which to read
   */
  begin(ask: (...parts: readonly string[]) => Promise<unknown>): Promise<string>;
  /**
   * At least one entry; the next read waits for it. With a `BrokerError` nothing was taken, and
   * another connection begins anew.
   *
   * @returns the id after which to read on
   */
  take(entries: readonly StreamEntry[]): Promise<string> | string;
  /** Before each read: the id below which entries may be deleted; null: not now. */
  trim(wasIdle: boolean): string | null;
}

export class StreamReader {
  readonly slot: number;
  private readonly key: string;
  private readonly count: string;
  private readonly cluster: Cluster;
  private readonly sink: StreamSink;
  private readonly onBroken: (error: Error) => void;
  private connection: Connection | null = null;
  private target: Address | null = null;
  private isStopped = false;

  /** @param onBroken the sink failed: that is our fault, and nothing that can be repeated */
  constructor(
    cluster: Cluster,
    place: { readonly slot: number; readonly key: string; readonly count: number },
    sink: StreamSink,
    onBroken: (error: Error) => void,
  ) {
    this.cluster = cluster;
    this.slot = place.slot;
    this.key = place.key;
    this.count = String(place.count);
    this.sink = sink;
    this.onBroken = onBroken;
  }

  start(): void {
    this.run().catch((error: unknown) => {
      this.stop();
      this.onBroken(error instanceof Error ? error : new Error(messageOf(error)));
    });
  }

  stop(): void {
    this.isStopped = true;
    this.connection?.close();
  }

  /** Begins anew, with another connection. */
  restart(): void {
    this.connection?.close();
  }

  /** Every now and then. */
  tick(): void {
    if (this.connection?.isOpen === true) this.connection.checkSilence();
  }

  private async run(): Promise<void> {
    for (let attempt = 0; !this.isStopped; attempt++) {
      const address = this.target ?? this.cluster.addressOf(this.slot);
      const isAsking = this.target !== null;
      this.target = null;
      if (address !== null) {
        const connection = new Connection(address, this.cluster.login, this.cluster.options.clock);
        this.connection = connection;
        const reads = await this.readFrom(connection, isAsking);
        this.connection = null;
        connection.close();
        if (reads > 0) attempt = 0;
      } else {
        this.cluster.refresh();
      }
      if (this.isStopped) return;
      if (this.target === null || attempt > 0) {
        await pause(Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(attempt, 10)));
      }
    }
  }

  /** Reads until there is trouble. @returns how many reads went well */
  private async readFrom(connection: Connection, isAsking: boolean): Promise<number> {
    const ask = (...parts: readonly string[]): Promise<unknown> => {
      if (!isAsking) return connection.command(...parts);
      const asked = connection.command('ASKING');
      const reply = connection.command(...parts);
      return Promise.all([asked, reply]).then(([, answer]) => answer);
    };
    let reads = 0;
    try {
      await connection.open();
      let after = await this.sink.begin(ask);
      let wasIdle = false;
      while (!this.isStopped && connection.isOpen) {
        const below = this.sink.trim(wasIdle);
        const trimmed = below === null ? null : ask('XTRIM', this.key, 'MINID', '=', below);
        const [reply] = await Promise.all([this.read(ask, after), trimmed]);
        reads++;
        const entries = entriesOf(reply);
        wasIdle = entries.length === 0;
        if (!wasIdle) after = await this.sink.take(entries);
      }
    } catch (error) {
      if (!isTrouble(error)) throw error;
      this.onTrouble(connection.address, error);
    }
    return reads;
  }

  private read(
    ask: (...parts: readonly string[]) => Promise<unknown>,
    after: string,
  ): Promise<unknown> {
    const block = String(BLOCK_MS);
    return ask('XREAD', 'COUNT', this.count, 'BLOCK', block, 'STREAMS', this.key, after);
  }

  private onTrouble(from: Address, error: Error): void {
    if (this.isStopped) return;
    const refusal = refusalOf(error);
    if (refusal === Refusal.Moved) {
      const to = redirection(error, from);
      if (to !== null) this.cluster.onMoved(this.slot, to);
    } else if (refusal === Refusal.Ask) {
      this.target = redirection(error, from);
    } else if (refusal === Refusal.Lost || isAboutTopology(error)) {
      this.cluster.refresh();
    }
  }
}

/** What Redis says, or its silence; anything else is our fault. */
function isTrouble(error: unknown): error is Error {
  return error instanceof BrokerError || (error instanceof Error && error.name === 'ReplyError');
}

/** `[[key, [[id, [name, value, …]], …]]]`, or null when nothing came. */
function entriesOf(reply: unknown): StreamEntry[] {
  if (reply === null) return [];
  const [stream] = reply as readonly (readonly [Buffer, readonly unknown[]])[];
  assert(stream !== undefined, 'an answer about one stream');
  return stream[1].map((entry) => {
    const [id, fields] = entry as readonly [Buffer, readonly Buffer[]];
    return { id: String(id), fields };
  });
}
