/**
 * A whole broker on a store that the test controls: `DurableBroker` is a `FakeBroker` that can be
 * stopped, or crash, and start again on what its store had made safe by then.
 */
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../../src/base/clock.js';
import type { Log, LogFields, LogLevel } from '../../../../src/base/log.js';
import { type DropReason, dropReasonNames } from '../../../../src/broker/metrics.js';
import { Restore } from '../../../../src/broker/restore.js';
import type { StoredSession } from '../../../../src/broker/stored-session.js';
import {
  type ConnectOptions,
  FakeAccess,
  FakeBroker,
  type FakeBrokerOptions,
  type FakeClient,
  type Received,
} from '../../support/fake-broker.js';
import { ControlledStore, type StoreHabits } from './controlled-store.js';

/** Rounds after which a broker that still does something will do so for ever. */
const ROUNDS_MAX = 20_000;
/** The clock of a process begins anywhere. */
const RESTART_SHIFT_MS = -777;

export const FOREVER = { sessionExpiryInterval: 0xffff_ffff };

export interface Logged {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
}

export class RecordedLog implements Log {
  readonly events: Logged[] = [];

  write(level: LogLevel, event: string, fields: LogFields = {}): void {
    this.events.push({ level, event, fields });
  }

  enabled(): boolean {
    return true;
  }
}

export interface DurableOptions extends Omit<FakeBrokerOptions, 'clock' | 'store' | 'log'> {
  readonly habits?: StoreHabits;
}

export class DurableBroker {
  readonly access = new FakeAccess();
  readonly log = new RecordedLog();
  broker: FakeBroker;
  store: ControlledStore;
  /** What `Restore` could not read at the last start. */
  damaged = 0;
  /** [reason, client id, topic] and, if several, count of what was dropped, over all starts. */
  readonly drops: (
    | readonly [string, string | null, string]
    | readonly [string, string | null, string, number]
  )[] = [];
  private readonly options: DurableOptions;
  private clock = new FakeClock();

  private constructor(options: DurableOptions) {
    this.options = options;
    this.store = new ControlledStore(this.clock, options.habits);
    this.broker = this.make();
  }

  static async start(options: DurableOptions = {}): Promise<DurableBroker> {
    const durable = new DurableBroker(options);
    await durable.load();
    return durable;
  }

  /** The broker dies now, and is started again. */
  async crash(downMs = 0): Promise<void> {
    this.store.die();
    await this.startAgain(downMs);
  }

  /** The broker is stopped as `Assembly` does it, and started again. */
  async restart(downMs = 0): Promise<void> {
    this.broker.core.shutdown(0x8b);
    await this.settle();
    this.broker.core.journal!.close();
    await this.store.close();
    this.store.die();
    await this.startAgain(downMs);
  }

  /** Until nothing happens any more. */
  async settle(): Promise<void> {
    let quiet = 0;
    for (let round = 0; quiet < 3; round++) {
      assert.ok(round < ROUNDS_MAX, 'the broker comes to rest');
      const before = this.store.activity;
      this.broker.settle();
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.broker.settle();
      quiet = this.store.activity === before ? quiet + 1 : 0;
    }
  }

  async advance(ms: number): Promise<void> {
    this.broker.advance(ms);
    await this.settle();
  }

  /** A client whose CONNECT was answered, or is waiting to be. */
  async request(options: ConnectOptions): Promise<FakeClient> {
    const client = this.broker.request(options);
    await this.settle();
    return client;
  }

  /** A connected client; `connack` is kept for the test. */
  async connect(options: ConnectOptions): Promise<FakeClient & { connack: Received }> {
    const client = await this.request(options);
    const connack = client.takeFirst('connack');
    assert.is(connack.reasonCode ?? connack.returnCode, 0, 'CONNECT was refused');
    return Object.assign(client, { connack });
  }

  /** A client of MQTT 5.0 with a durable session. */
  durable(
    clientId: string,
    options: ConnectOptions = {},
  ): Promise<FakeClient & { connack: Received }> {
    const { properties } = options;
    return this.connect({
      clean: false,
      ...options,
      clientId,
      properties: { ...FOREVER, ...properties },
    });
  }

  async subscribe(client: FakeClient, filter: string, qos: 0 | 1 | 2 = 1): Promise<Received> {
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: filter, qos }] });
    await this.settle();
    return client.takeFirst('suback');
  }

  /** An offline durable session that has subscribed. */
  async subscriber(clientId: string, filter: string, qos: 0 | 1 | 2 = 1): Promise<void> {
    const client = await this.durable(clientId);
    await this.subscribe(client, filter, qos);
    client.drop();
    await this.settle();
  }

  async publish(
    client: FakeClient,
    topic: string,
    payload: string,
    rest: Parameters<FakeClient['publish']>[2] = {},
  ): Promise<void> {
    client.publish(topic, payload, rest);
    await this.settle();
  }

  stored(clientId: string): StoredSession {
    const stored = this.broker.core.sessions.get(clientId)?.stored;
    assert.ok(stored, `${clientId} has a stored session`);
    return stored;
  }

  dropped(reason: DropReason): number {
    return this.broker.core.metrics.dropped[reason]!;
  }

  private async startAgain(downMs: number): Promise<void> {
    this.clock.advance(downMs);
    this.clock = new LaterClock(this.clock, RESTART_SHIFT_MS);
    this.store = new ControlledStore(this.clock, this.options.habits, this.store.medium);
    this.broker = this.make();
    await this.load();
  }

  private make(): FakeBroker {
    const { access, log, clock, store, options } = this;
    const dropped = (
      reason: number,
      clientId: string | null,
      topic: string,
      count: number,
    ): void => {
      const name = dropReasonNames[reason]!;
      this.drops.push(count === 1 ? [name, clientId, topic] : [name, clientId, topic, count]);
    };
    const observer = { ...options.observer, dropped };
    return new FakeBroker({ ...options, observer, access, log, clock, store });
  }

  private async load(): Promise<void> {
    const { core, listener } = this.broker;
    const restore = new Restore(core, () => ({ listener, access: this.access }));
    await this.store.open(restore);
    this.damaged = restore.damaged;
    core.tick();
    await this.settle();
  }
}

/** The same time of day, while the monotonic clock has begun anew. */
class LaterClock extends FakeClock {
  private readonly inner: FakeClock;
  private readonly shiftMs: number;

  constructor(inner: FakeClock, shiftMs: number) {
    super();
    this.inner = inner;
    this.shiftMs = shiftMs;
  }

  override nowMs(): number {
    return this.inner.nowMs() + this.shiftMs;
  }

  override wallMs(): number {
    return this.inner.wallMs();
  }

  override advance(ms: number): void {
    this.inner.advance(ms);
  }
}
