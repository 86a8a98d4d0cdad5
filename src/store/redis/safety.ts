/**
 * When the writes to one primary are safe (`ack_level`), and what that takes: WAIT or WAITAOF at
 * the end of each batch.
 *
 * `replica` is not consensus: Redis may promote a replica that lacks what another one had counted
 * for. Left to the store (null), the level is `replica` while the primary has replicas, and
 * `primary` once it has had none for `REPLICA_GRACE_MS`: else one dead replica would stop the
 * broker. That time also counts from the moment of a new connection, if any primary ever had
 * replicas: a primary that was asleep, and replaced, says for a moment that it is one without any.
 */
import { messageOf } from '../../base/errors.js';
import type { CommandBuffer } from './command-buffer.js';
import type { Connection } from './connection.js';
import { onlineReplicas, parseInfo } from './info.js';
import type { AckLevel, RedisStoreOptions } from './options.js';
import { REPLICA_GRACE_MS, REPLICA_LOOK_MS, WAIT_MS } from './tuning.js';

const waitMs = String(WAIT_MS);
const wait = Buffer.from(`*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$${waitMs.length}\r\n${waitMs}\r\n`);
const waitAof = Buffer.from(
  `*4\r\n$7\r\nWAITAOF\r\n$1\r\n1\r\n$1\r\n0\r\n$${waitMs.length}\r\n${waitMs}\r\n`,
);

/** What all primaries have in common. */
export interface Replication {
  /** One of them had a replica, as long as this broker has run. */
  isSeen: boolean;
}

export class Safety {
  level: AckLevel;
  private readonly name: string;
  private readonly options: RedisStoreOptions;
  private readonly replication: Replication;
  private readonly isFixed: boolean;
  private shortSinceMs = -1;
  private lookedMs = 0;

  constructor(name: string, options: RedisStoreOptions, replication: Replication) {
    this.name = name;
    this.replication = replication;
    this.options = options;
    this.isFixed = options.ackLevel !== null;
    this.level = options.ackLevel ?? 'primary';
  }

  /** True when a batch is not safe by its replies alone. */
  get isWaiting(): boolean {
    return this.level !== 'primary';
  }

  /** Milliseconds for which replicas have been missing; 0: they are not. */
  get shortMs(): number {
    return this.shortSinceMs < 0 ? 0 : this.options.clock.nowMs() - this.shortSinceMs;
  }

  /** A new connection was set up to a primary with so many replicas. */
  onConnected(replicas: number): void {
    const { replication } = this;
    const nowMs = this.options.clock.nowMs();
    this.shortSinceMs = -1;
    this.lookedMs = nowMs;
    if (replicas > 0) replication.isSeen = true;
    if (this.isFixed) return;
    this.setLevel(replication.isSeen ? 'replica' : 'primary');
    if (replication.isSeen && replicas === 0) this.shortSinceMs = nowMs;
  }

  /** Adds what ends a batch; false: nothing does. */
  encodeWait(out: CommandBuffer): boolean {
    if (this.level === 'primary') return false;
    out.encoded(this.level === 'aof' ? waitAof : wait);
    return true;
  }

  /** Whether the reply to it makes the batch safe. */
  isEnough(reply: unknown, error: Error | null): boolean {
    if (error !== null) return false;
    // No WAIT was sent.
    if (reply === null) return true;
    const count = Array.isArray(reply) ? Number(reply[0]) : Number(reply);
    if (count >= 1) {
      this.shortSinceMs = -1;
      return true;
    }
    if (this.shortSinceMs < 0) this.shortSinceMs = this.options.clock.nowMs();
    return false;
  }

  /** Called every now and then: is there a replica at all? */
  tick(connection: Connection): void {
    const nowMs = this.options.clock.nowMs();
    const isShort = this.level === 'replica' && this.shortMs > REPLICA_GRACE_MS;
    if (this.isFixed || (!isShort && this.level !== 'primary')) return;
    if (nowMs - this.lookedMs < REPLICA_LOOK_MS) return;
    this.lookedMs = nowMs;
    connection.command('INFO', 'replication').then(
      (reply) => {
        const info = parseInfo(reply);
        const replicas = onlineReplicas(info);
        if (replicas > 0) this.replication.isSeen = true;
        if (info.text('role') === 'master') this.setLevel(replicas > 0 ? 'replica' : 'primary');
      },
      (error: unknown) => {
        this.options.log.write('debug', 'redis did not say how many replicas it has', {
          redis: this.name,
          detail: messageOf(error),
        });
      },
    );
  }

  private setLevel(level: AckLevel): void {
    if (level === this.level) return;
    this.level = level;
    this.shortSinceMs = -1;
    const hasReplicas = level === 'replica';
    this.options.log.write(
      hasReplicas ? 'notice' : 'warning',
      hasReplicas
        ? 'redis has a replica: acknowledgements wait for it'
        : 'redis has no replica: acknowledgements mean the primary alone',
      { redis: this.name },
    );
  }
}
