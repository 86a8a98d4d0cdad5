/**
 * The way to one primary: sends calls in batches over one connection that it renews by itself.
 * Hot path.
 *
 *     down ──connect, check, load scripts──▶ up ──any trouble──▶ down
 *
 * A batch is some calls and, where replicas must have them, a WAIT at its end. Its calls are safe
 * when WAIT has counted enough replicas; else they stay `unsafe` until a later WAIT of the same
 * connection has, or the connection ends and they are sent again. A lane has one call on its way
 * at most, so nothing that happens here changes the order of what belongs together.
 */
import { BrokerError, messageOf } from '../../base/errors.js';
import type { Call } from './call.js';
import { CommandBuffer } from './command-buffer.js';
import { type Address, addressText, Connection, type ReplySink } from './connection.js';
import type { LinkHome } from './link-home.js';
import { Refusal, redirection, refusalOf } from './reply-error.js';
import { Safety } from './safety.js';
import {
  BATCH_BYTES,
  BATCHES_IN_FLIGHT,
  BATCHES_WAITING,
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
  REDIRECTIONS,
  RETRY_MS_MAX,
  RETRY_MS_MIN,
} from './tuning.js';

const asking = Buffer.from('*1\r\n$6\r\nASKING\r\n');
const ping = Buffer.from('*1\r\n$4\r\nPING\r\n');

export class Link {
  readonly address: Address;
  readonly name: string;
  readonly safety: Safety;
  private readonly home: LinkHome;
  private connection: Connection | null = null;
  private isUp = false;
  private isRetired = false;
  private isConnecting = false;
  /** Why the last attempt to connect failed; null: it did not. */
  problem: BrokerError | null = null;
  private attempt = 0;
  private queue: Call[] = [];
  private queueAt = 0;
  private inFlight = 0;
  /** Batches that Redis has answered but not enough replicas, oldest first. */
  private unsafe: Batch[] = [];
  private isFlushing = false;
  private readonly buffer = new CommandBuffer();

  constructor(address: Address, home: LinkHome) {
    this.address = address;
    this.name = addressText(address);
    this.home = home;
    this.safety = new Safety(this.name, home.options, home.replication);
  }

  /** It can serve, or could. */
  get isServing(): boolean {
    return this.isUp || this.isConnecting;
  }

  get isReady(): boolean {
    return this.isUp;
  }

  /** Connects when it has not begun to. */
  start(): void {
    this.connect();
  }

  /** Calls that wait or whose outcome is unknown. */
  get pending(): number {
    return this.queue.length - this.queueAt + this.inFlight;
  }

  private get canSend(): boolean {
    return this.isUp && this.connection?.isOpen === true;
  }

  /** A call to be sent with the next batch. */
  push(call: Call): void {
    this.queue.push(call);
    if (this.isFlushing) return;
    this.isFlushing = true;
    this.home.later(this);
  }

  /** Sends what waits, as far as it may. */
  flush(): void {
    this.isFlushing = false;
    if (!this.canSend) {
      this.connect();
      return;
    }
    this.releaseUnsafe();
    const most = this.safety.isWaiting ? BATCHES_WAITING : BATCHES_IN_FLIGHT;
    while (this.canSend && this.inFlight < most && this.queueAt < this.queue.length) {
      this.sendBatch();
    }
  }

  /** Called every now and then. */
  tick(): void {
    this.connection?.checkSilence();
    const { connection } = this;
    if (!this.isUp || connection === null || !connection.isOpen) return;
    if (!connection.isBusy) connection.send(ping, 1, ignored);
    this.safety.tick(connection);
    this.releaseUnsafe();
  }

  /** Takes all calls that wait, to be sent elsewhere. */
  takeQueue(): Call[] {
    const calls = this.queue.slice(this.queueAt);
    this.queue = [];
    this.queueAt = 0;
    return calls;
  }

  /** The primary is none any more, or the store closes. What is on its way goes elsewhere. */
  retire(): void {
    this.isRetired = true;
    this.connection?.close();
    this.home.onTrouble(this, null);
  }

  private connect(): void {
    if (this.connection !== null || this.isRetired || this.home.isClosed) return;
    this.isConnecting = true;
    const connection = new Connection(this.address, this.home.login, this.home.options.clock);
    connection.onEnd = (reason) => this.onEnd(connection, reason);
    this.connection = connection;
    this.prepare(connection).then(
      () => {
        this.isConnecting = false;
        if (this.connection !== connection) return;
        this.isUp = true;
        this.attempt = 0;
        this.problem = null;
        this.home.onTrouble(this, null);
        this.flush();
      },
      (error: unknown) => {
        this.isConnecting = false;
        this.problem = problemOf(error, this.name);
        if (!this.isRetired) {
          this.home.onTrouble(this, `Redis at ${this.name}: ${messageOf(error)}`);
        }
        if (this.connection === connection) connection.close();
        else this.reconnect();
      },
    );
  }

  private async prepare(connection: Connection): Promise<void> {
    await connection.open();
    await this.home.prepare(this, connection);
    if (!connection.isOpen) throw new Error('the connection was lost while it was set up');
  }

  private onEnd(connection: Connection, reason: string): void {
    if (this.connection !== connection) return;
    this.connection = null;
    this.isUp = false;
    // Answered, but perhaps only by a primary that is dead: once more, before all that waits.
    const again = this.unsafe.flatMap((batch) => batch.unsafeCalls());
    this.unsafe = [];
    this.requeue(again);
    if (this.isRetired) return;
    this.home.onTrouble(this, `Redis at ${this.name}: ${reason}`);
    if (!this.isConnecting) this.reconnect();
  }

  private reconnect(): void {
    if (this.isRetired || this.home.isClosed) return;
    const waitMs = Math.min(RECONNECT_MS_MAX, RECONNECT_MS_MIN * 2 ** Math.min(this.attempt, 10));
    this.attempt++;
    this.home.refresh();
    this.home.after(waitMs, () => this.connect());
  }

  private sendBatch(): void {
    const { buffer, connection, queue } = this;
    const batch = new Batch(this);
    let at = this.queueAt;
    while (at < queue.length) {
      const call = queue[at]!;
      if (batch.calls.length > 0 && buffer.length + call.size > BATCH_BYTES) break;
      at++;
      this.encode(batch, call);
    }
    this.advanceQueue(at);
    batch.waitsAt = batch.replies;
    if (this.safety.encodeWait(buffer)) batch.replies++;
    if (batch.replies === 0) return;
    this.inFlight++;
    this.home.counters.batches++;
    connection!.send(buffer.take(), batch.replies, batch);
  }

  private encode(batch: Batch, call: Call): void {
    if (call.isAsking) {
      this.buffer.encoded(asking);
      batch.replies++;
      call.isAsking = false;
    }
    call.encode(this.buffer);
    if (call.attempts++ > 0) this.home.counters.repeats++;
    this.home.counters.calls++;
    batch.add(call);
  }

  private advanceQueue(at: number): void {
    this.queueAt = at;
    if (at === this.queue.length) {
      this.queue.length = 0;
      this.queueAt = 0;
    }
  }

  /** All replies of a batch are there, or the connection is lost. For `Batch`. */
  onBatch(batch: Batch): void {
    this.inFlight--;
    const { calls, errors, waitError } = batch;
    for (let index = 0; errors !== null && index < calls.length; index++) {
      const error = errors[index] ?? null;
      if (error !== null) this.onRefused(calls[index]!, error);
    }
    if (!this.safety.isEnough(batch.waited, waitError)) {
      this.onShortfall(batch);
      return;
    }
    if (batch.waited !== null) {
      // So does it what was written before on this connection.
      for (const earlier of this.unsafe.splice(0)) earlier.deliver();
    }
    batch.deliver();
    if (errors === null && this.canSend) this.home.onTrouble(this, null);
    this.flush();
  }

  /** Too few replicas have it. */
  private onShortfall(batch: Batch): void {
    this.home.counters.shortfalls++;
    this.unsafe.push(batch);
    if (!this.canSend) {
      // The connection has just ended, which sends all that is unsafe again.
      return;
    }
    if (batch.waitError !== null) this.connection!.close();
    else if (this.inFlight === 0) this.sendBatch();
  }

  /**
   * The primary's own word is enough now. It is asked for it again: replaced since, it would say
   * that it has no replicas, and refuse.
   */
  private releaseUnsafe(): void {
    if (this.unsafe.length === 0 || this.safety.isWaiting) return;
    this.requeue(this.unsafe.splice(0).flatMap((batch) => batch.unsafeCalls()));
  }

  private onRefused(call: Call, error: Error): void {
    const refusal = refusalOf(error);
    this.home.counters.refused++;
    switch (refusal) {
      case Refusal.Lost:
        this.home.counters.unknown++;
        this.home.route(call);
        return;
      case Refusal.Moved:
      case Refusal.Ask: {
        const to = redirection(error, this.address);
        if (to === null || call.redirections++ >= REDIRECTIONS) break;
        this.home.onRedirected(call, to, refusal === Refusal.Ask);
        return;
      }
      case Refusal.NoScript:
        if (call.redirections++ >= REDIRECTIONS || this.connection === null) break;
        this.home.reload(this.connection);
        this.home.route(call);
        return;
      case Refusal.ReadOnly:
        this.connection?.close();
        break;
      case Refusal.TryAgain:
      case Refusal.Later:
        break;
    }
    this.home.onRefused(this, call, error);
    call.redirections = 0;
    const waitMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(call.attempts, 10));
    this.home.after(waitMs, () => this.home.route(call));
  }

  private requeue(calls: readonly Call[]): void {
    for (const call of calls) this.home.route(call);
  }
}

/** @param name of the server that the attempt to connect was about */
function problemOf(error: unknown, name: string): BrokerError {
  if (error instanceof BrokerError) return error;
  const text = messageOf(error);
  if (!text.startsWith('NOPERM')) return new BrokerError('REDIS_REFUSED', text, { cause: error });
  const detail = `Redis at ${name} does not let its user do what the broker needs: ${text}`;
  const advice = 'give it what docs/configuration.md lists (ACL SETUSER)';
  return new BrokerError('REDIS_NOPERM', `${detail}; ${advice}`, { cause: error });
}

/** Some calls on their way, and their replies. */
class Batch implements ReplySink {
  readonly calls: Call[] = [];
  replies = 0;
  waitsAt = 0;
  waited: unknown = null;
  waitError: Error | null = null;
  errors: (Error | null)[] | null = null;
  private readonly places: number[] = [];
  private readonly values: unknown[] = [];
  private readonly link: Link;
  private answered = 0;

  constructor(link: Link) {
    this.link = link;
  }

  add(call: Call): void {
    this.places.push(this.replies++);
    this.calls.push(call);
    this.values.push(null);
  }

  onReply(index: number, value: unknown, error: Error | null): void {
    this.answered++;
    if (index >= this.waitsAt) {
      this.waited = value;
      this.waitError = error;
    } else {
      this.take(index, value, error);
    }
    if (this.answered === this.replies) this.link.onBatch(this);
  }

  /** Calls that were answered, each one that was refused left out. */
  unsafeCalls(): Call[] {
    const { errors } = this;
    if (errors === null) return this.calls;
    return this.calls.filter((_, index) => (errors[index] ?? null) === null);
  }

  deliver(): void {
    const { calls, errors, values } = this;
    for (let index = 0; index < calls.length; index++) {
      if (errors !== null && (errors[index] ?? null) !== null) continue;
      calls[index]!.onReply(values[index]);
    }
  }

  private take(index: number, value: unknown, error: Error | null): void {
    const place = this.placeOf(index);
    // The answer to ASKING says nothing.
    if (place < 0) return;
    if (error === null) {
      this.values[place] = value;
      return;
    }
    this.errors ??= [];
    this.errors[place] = error;
  }

  private placeOf(index: number): number {
    const { places } = this;
    if (places[index] === index) return index;
    return places.indexOf(index);
  }
}

const ignored: ReplySink = { onReply: () => undefined };
