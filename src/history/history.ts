/**
 * What is published here, on its way to the history: in batches, one per turn at most, and never
 * in the way of its delivery. Without a `history_filter` nobody calls it, and it costs nothing.
 *
 * Each message is written once, by the broker that it is published at. With
 * `history_acknowledged` its acknowledgement waits for that, and it is never dropped; otherwise
 * what waits for Redis has a limit, beyond which messages are dropped and counted.
 */
import type { BrokerCore } from '../broker/core.js';
import type { MessageLog } from '../broker/message-log.js';
import type { Flushable } from '../broker/turn.js';
import type { HistoryConfig } from '../config/history-config.js';
import type { Message } from '../protocol/message.js';
import { matches } from '../protocol/topic.js';
import type { HistoryLog, HistorySettings } from '../store/history.js';
import type { Store } from '../store/store.js';
import { DROP_LOG_MS, ITEM_BYTES, TOPIC_REMEMBERED_LENGTH, TOPICS_REMEMBERED } from './limits.js';
import type { Presence } from './presence.js';
import { Replayer } from './replayer.js';

export class History implements MessageLog, Flushable {
  /** Messages counted so far: number of the last one. */
  lastNumber = 0;
  private readonly core: BrokerCore;
  private readonly log: HistoryLog;
  private readonly config: HistoryConfig;
  private readonly presence: Presence;
  private readonly replayer: Replayer | null;
  private readonly wanted = new Map<string, boolean>();
  private pendingBytes = 0;
  private logged = 0;
  private dropped = 0;
  private droppedSaid = 0;
  private saidMs = Number.NEGATIVE_INFINITY;
  private isDirty = false;
  /** Wall-clock milliseconds of the turn that began at `turnMs`. */
  private timeMs = 0;
  private turnMs = Number.NaN;

  /** @param store with a history, and open */
  constructor(core: BrokerCore, store: Store, config: HistoryConfig, presence: Presence) {
    this.core = core;
    this.log = store.history!;
    this.config = config;
    this.presence = presence;
    const hasMessages = config.filters.length > 0;
    this.replayer = hasMessages ? new Replayer(core, store, () => this.lastNumber) : null;
  }

  /** @throws BrokerError `HISTORY` when Redis has a history of another kind */
  async open(): Promise<void> {
    const { config, core, log, presence } = this;
    await log.open(settingsOf(config));
    if (config.hasPresence) presence.open(core, log);
    if (this.replayer === null) return;
    core.messageLog = this;
    core.replays = this.replayer;
  }

  onPublished(message: Message): void {
    if (!this.isWanted(message.topic.name)) return;
    const { log } = this;
    const journal = this.core.journal!;
    const { qos } = message;
    const record = journal.recordFor(message, null);
    const bytes = record.length + ITEM_BYTES;
    const isAwaited = this.config.isAcknowledged && qos > 0;
    const isTooMuch = isAwaited
      ? journal.isRefusing
      : this.pendingBytes + bytes > this.config.bufferBytes;
    if (isTooMuch) {
      this.dropped++;
      return;
    }
    const onSafe = isAwaited ? journal.beginFrame(record.length) : null;
    this.pendingBytes += bytes;
    const onDone = (): void => {
      this.pendingBytes -= bytes;
      this.logged++;
      onSafe?.();
    };
    const { name: topic } = message.topic;
    log.append({ topic, qos, timeMs: this.now(), number: ++this.lastNumber, record, onDone });
    if (this.isDirty) return;
    this.isDirty = true;
    this.core.turn.markDirty(this);
  }

  /** The end of the turn. */
  flush(): void {
    this.isDirty = false;
    this.log.flush();
  }

  /** Several times a second. */
  tick(): void {
    const { nowMs } = this.core.turn;
    this.log.tick(nowMs);
    this.presence.tick();
    this.replayer?.tick(nowMs);
    const { dropped } = this;
    if (dropped === this.droppedSaid || nowMs - this.saidMs < DROP_LOG_MS) return;
    this.saidMs = nowMs;
    const count = dropped - this.droppedSaid;
    this.droppedSaid = dropped;
    this.core.log.write('warning', 'messages are missing in the history: redis is too slow', {
      count,
    });
  }

  close(): void {
    this.core.messageLog = null;
    this.core.replays = null;
    this.replayer?.close();
    this.log.flush();
  }

  /** By topic below `$SYS/broker/`. */
  figures(): Readonly<Record<string, number>> {
    const { dropped, logged, pendingBytes, presence, replayer } = this;
    return {
      ...(replayer === null
        ? {}
        : {
            'history/logged': logged,
            'history/dropped': dropped,
            'history/pending_bytes': pendingBytes,
            'history/replays': replayer.size,
            'history/replayed': replayer.replayed,
          }),
      ...(this.config.hasPresence ? presence.figures() : {}),
    };
  }

  private isWanted(topic: string): boolean {
    const known = this.wanted.get(topic);
    if (known !== undefined) return known;
    const isOwn = topic === '$SYS' || topic.startsWith('$SYS/');
    const isWanted = !isOwn && this.config.filters.some((filter) => matches(filter, topic));
    if (topic.length > TOPIC_REMEMBERED_LENGTH) return isWanted;
    if (this.wanted.size >= TOPICS_REMEMBERED) this.wanted.clear();
    this.wanted.set(topic, isWanted);
    return isWanted;
  }

  private now(): number {
    const { journal, turn } = this.core;
    if (turn.nowMs !== this.turnMs) {
      this.turnMs = turn.nowMs;
      this.timeMs = Math.max(0, Math.round(turn.nowMs + journal!.wallOffsetMs));
    }
    return this.timeMs;
  }
}

function settingsOf(config: HistoryConfig): HistorySettings {
  const { maxAgeQos0S, maxAgeQos1S, maxAgeQos2S, maxBytes, maxMessages, partitions } = config;
  const maxAgeS = [maxAgeQos0S, maxAgeQos1S, maxAgeQos2S] as const;
  return { maxAgeS, maxBytes, maxMessages, partitions, maxEvents: config.presenceMaxEvents };
}
