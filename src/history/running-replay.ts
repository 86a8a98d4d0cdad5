/**
 * One subscription's replay: reads the history in steps, and sends as its client takes it.
 *
 *     waiting ──run──▶ reading ◀──sent──▶ sending ──all sent──▶ over
 *        └────────────────┴── client gone, unsubscribed, stalled ──▲
 *
 * What was published here goes out again up to the very message before which the subscription
 * took effect. What was published at other brokers goes out up to a moment after SUBACK, by which
 * time all of them knew the subscription: some of that has come live as well.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { BrokerError, messageOf } from '../base/errors.js';
import type { BrokerCore } from '../broker/core.js';
import type { Replay, ReplayStart } from '../broker/replays.js';
import type { Sender } from '../broker/sender.js';
import type { Session } from '../broker/session.js';
import type { Subscription } from '../broker/subscription.js';
import type { Message } from '../protocol/message.js';
import { MqttError } from '../protocol/mqtt-error.js';
import type { HistoryLog, HistoryMessage, HistoryQuery } from '../store/history.js';
import { viewRecord } from '../store/record.js';
import type { Store } from '../store/store.js';
import {
  CLOCK_SKEW_MS,
  LOOK_MS,
  REPLAY_BUFFER_BYTES,
  REPLAY_SCAN_MAX,
  REPLAY_STALL_MS,
  RETRY_MS,
  SETTLE_MS,
} from './limits.js';
import { replayedMessage } from './replayed-message.js';

export interface ReplayTask {
  readonly start: ReplayStart;
  /** This broker when the subscription took effect, and what it had counted by then. */
  readonly writer: string;
  readonly number: number;
  readonly onSent: () => void;
  readonly onOver: () => void;
}

export class RunningReplay implements Replay {
  private readonly core: BrokerCore;
  private readonly store: Store;
  private readonly log: HistoryLog;
  private readonly session: Session;
  private readonly subscription: Subscription;
  private readonly task: ReplayTask;
  /** Of the connection that asked. */
  private readonly sender: Sender | null;
  /** By then all brokers knew the subscription. */
  private readonly untilMs: number;
  private waiting: readonly HistoryMessage[] = [];
  private at = 0;
  private current: Message | null = null;
  private isRead = false;
  private isOver = false;
  private onRoom: (() => void) | null = null;
  private movedMs: number;

  constructor(
    core: BrokerCore,
    store: Store,
    session: Session,
    subscription: Subscription,
    task: ReplayTask,
  ) {
    this.core = core;
    this.store = store;
    this.log = store.history!;
    this.session = session;
    this.subscription = subscription;
    this.task = task;
    this.sender = session.sender;
    this.movedMs = core.turn.nowMs;
    this.untilMs = store.wallMs() + CLOCK_SKEW_MS;
  }

  /** Its turn has come. */
  run(): void {
    this.read().then(
      () => {
        this.isRead = true;
        this.pumpSoon();
      },
      (error: unknown) => {
        if (!(error instanceof BrokerError)) throw error;
        this.say('error', 'a replay ended early', messageOf(error));
        this.cancel();
      },
    );
  }

  pump(sender: Sender): boolean {
    if (this.isOver) return true;
    if (sender !== this.sender) {
      this.cancel();
      return true;
    }
    while (this.at < this.waiting.length) {
      const message = this.current ?? this.decode(this.waiting[this.at]!);
      this.current = message;
      const isDone =
        message === null ||
        this.core.subscriptions.trySendEarlier(message, this.subscription, sender);
      if (!isDone) return this.isOver;
      if (message !== null) this.task.onSent();
      this.current = null;
      this.at++;
      this.movedMs = this.core.turn.nowMs;
    }
    this.waiting = [];
    this.at = 0;
    this.onRoom?.();
    this.onRoom = null;
    if (this.isRead) this.end();
    return this.isOver;
  }

  cancel(): void {
    this.waiting = [];
    this.at = 0;
    this.current = null;
    this.end();
    this.onRoom?.();
    this.onRoom = null;
  }

  tick(nowMs: number): void {
    if (this.session.sender !== this.sender || this.sender === null) {
      this.cancel();
      return;
    }
    // Waiting for others, or for Redis, is not the client's fault.
    if (this.waiting.length === 0) this.movedMs = nowMs;
    if (nowMs - this.movedMs < REPLAY_STALL_MS) return;
    this.say('notice', 'a replay ended early', 'its client takes nothing');
    this.cancel();
  }

  private async read(): Promise<void> {
    await this.log.drained();
    const { start } = this.task;
    const takenUntilMs = Math.max(this.store.wallMs(), this.untilMs) + SETTLE_MS;
    const query: HistoryQuery = {
      filters: [this.subscription.filter],
      sinceMs: start.kind === 'since' ? start.timeMs : 0,
      untilMs: this.untilMs,
      takenUntilMs,
      isWanted: (message) => this.isWanted(message),
    };
    if (start.kind === 'last') await this.readLast(query, start.count);
    else await this.readSince(query);
  }

  private async readLast(query: HistoryQuery, count: number): Promise<void> {
    while (this.hasPeers && !this.isOver && !this.isSettled(query)) await pause(LOOK_MS);
    while (!this.isOver) {
      const found = await this.unlessAway(() => this.log.last(query, count, REPLAY_SCAN_MAX));
      if (found === null) continue;
      if (found.isCut) {
        const { messages, scanned } = found;
        const detail = `${messages.length} of ${count} found in the last ${scanned} messages`;
        this.say('notice', 'a replay did not look further', detail);
      }
      await this.send(found.messages);
      return;
    }
  }

  private async readSince(query: HistoryQuery): Promise<void> {
    const cursor = this.log.cursor(query);
    while (!this.isOver) {
      const isSettled = !this.hasPeers || this.isSettled(query);
      const messages = await this.unlessAway(() => cursor.next(REPLAY_BUFFER_BYTES));
      if (messages === null) continue;
      await this.send(messages);
      if (messages.length > 0) continue;
      if (isSettled) return;
      await pause(LOOK_MS);
    }
  }

  /** Null: Redis is away, and was waited for a little. */
  private async unlessAway<T>(ask: () => Promise<T>): Promise<T | null> {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof BrokerError) || error.code !== 'STORE_AWAY') throw error;
      await pause(RETRY_MS);
      return null;
    }
  }

  /** Resolves when the client has them, or needs them no longer. */
  private async send(messages: readonly HistoryMessage[]): Promise<void> {
    if (messages.length === 0 || this.isOver) return;
    this.waiting = messages;
    this.movedMs = this.core.clock.nowMs();
    const sent = new Promise<void>((resolve) => {
      this.onRoom = resolve;
    });
    this.pumpSoon();
    await sent;
  }

  private pumpSoon(): void {
    if (this.isOver) return;
    this.core.turn.begin();
    this.session.pump();
  }

  private get hasPeers(): boolean {
    return (this.store.fabric?.peers.size ?? 0) > 0;
  }

  private isSettled({ takenUntilMs }: HistoryQuery): boolean {
    return this.store.wallMs() > takenUntilMs;
  }

  private isWanted({ number, record, topic, writer }: HistoryMessage): boolean {
    const { core, session, subscription, task } = this;
    // It went out live.
    if (writer === task.writer && number > task.number) return false;
    if (subscription.noLocal) {
      const { publisherId } = viewRecord(record);
      if (core.kin.isOwn(session.clientId, publisherId)) return false;
    }
    return session.mayRead(topic);
  }

  /** Null: it cannot be sent any more. */
  private decode(message: HistoryMessage): Message | null {
    const { core } = this;
    try {
      return replayedMessage(message, core.topics, core.journal!.wallOffsetMs);
    } catch (error) {
      if (!(error instanceof BrokerError || error instanceof MqttError)) throw error;
      this.say('error', 'a message of the history cannot be read', error.message);
      return null;
    }
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.task.onOver();
  }

  private say(level: 'error' | 'notice', event: string, detail: string): void {
    const { clientId } = this.session;
    this.core.log.write(level, event, { clientId, filter: this.subscription.filter, detail });
  }
}
