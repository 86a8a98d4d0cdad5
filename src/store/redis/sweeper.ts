/**
 * Finds offline sessions that are overdue: their broker died, or forgot them. Each shard of the
 * list is looked after by one live broker; while brokers disagree about who lives, two may, which
 * is why the session itself decides.
 */
import { messageOf } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { Adoptions } from './adoptions.js';
import { type Keys, offlineTag } from './keys.js';
import type { Ownership } from './ownership.js';
import type { Reader } from './reader.js';
import { slotOf } from './slot.js';
import type { AdoptAnswer } from './stored-answer.js';
import { ASK_MS, OVERDUE_MS, SHARDS, SWEEP_MS, SWEEP_SESSIONS } from './tuning.js';

export interface SweeperHome {
  readonly keys: Keys;
  readonly reader: Reader;
  readonly ownership: Ownership;
  readonly log: Log;
  readonly adoptions: Adoptions;
  wallMs(): number;
  /** True when this broker is to look after what is called so. */
  isMine(name: string): boolean;
  /** True for this broker, and others that are alive. */
  isLive(node: string): boolean;
}

interface Overdue {
  readonly clientId: string;
  readonly score: string;
}

export class Sweeper {
  private readonly home: SweeperHome;
  private timer: NodeJS.Timeout | null = null;
  private isSweeping = false;

  constructor(home: SweeperHome) {
    this.home = home;
  }

  start(): void {
    this.timer = setInterval(() => {
      if (this.isSweeping) return;
      this.isSweeping = true;
      this.sweep()
        .catch((error: unknown) => {
          const detail = messageOf(error);
          this.home.log.write('debug', 'overdue sessions could not be looked for', { detail });
        })
        .finally(() => {
          this.isSweeping = false;
        });
    }, SWEEP_MS);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  /** @throws BrokerError `STORE_AWAY` */
  private async sweep(): Promise<void> {
    for (let shard = 0; shard < SHARDS; shard++) {
      if (this.home.isMine(offlineTag(shard))) await this.sweepShard(shard);
    }
  }

  private async sweepShard(shard: number): Promise<void> {
    const { ownership } = this.home;
    // Those that somebody sees to stay where they are, and the others come behind them.
    for (let offset = 0; this.timer !== null; ) {
      const some = await this.overdue(shard, offset);
      const answers = await Promise.all(some.map(({ clientId }) => this.take(clientId)));
      const corrections = [];
      for (const [index, answer] of answers.entries()) {
        const { clientId, score } = some[index]!;
        if (answer.isOurs || answer.score === '') offset++;
        else corrections.push({ clientId, score, newScore: answer.score });
      }
      ownership.correct(shard, corrections);
      // What was corrected may still be in the list: it is left to the next sweep.
      if (some.length < SWEEP_SESSIONS) return;
      offset += corrections.length;
    }
  }

  private async overdue(shard: number, offset: number): Promise<Overdue[]> {
    const { keys, reader } = this.home;
    const untilMs = String(Math.floor(this.home.wallMs() - OVERDUE_MS));
    const limit = ['LIMIT', String(offset), String(SWEEP_SESSIONS)];
    const question = ['ZRANGEBYSCORE', keys.offline(shard, 'z'), '-inf', untilMs, 'WITHSCORES'];
    const slot = slotOf(offlineTag(shard));
    const [reply] = await reader.ask(slot, [[...question, ...limit]], ASK_MS);
    const parts = reply as readonly Buffer[];
    const found: Overdue[] = [];
    for (let at = 0; at < parts.length; at += 2) {
      found.push({ clientId: String(parts[at]), score: String(parts[at + 1]) });
    }
    return found;
  }

  private async take(clientId: string): Promise<AdoptAnswer> {
    const { adoptions } = this.home;
    const answer = await adoptions.take(clientId, '');
    const isSeenTo = answer.isOurs || answer.keeper === '' || this.home.isLive(answer.keeper);
    return isSeenTo ? answer : adoptions.take(clientId, answer.keeper);
  }
}
