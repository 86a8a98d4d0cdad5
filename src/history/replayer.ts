/** The replays that go on: some read at the same time, others wait for their turn. */
import type { BrokerCore } from '../broker/core.js';
import type { Replay, ReplayStart, Replays } from '../broker/replays.js';
import type { Session } from '../broker/session.js';
import type { Subscription } from '../broker/subscription.js';
import type { Store } from '../store/store.js';
import { REPLAY_LAST_MAX, REPLAYS_MAX, REPLAYS_WAITING_MAX } from './limits.js';
import { RunningReplay } from './running-replay.js';
import { parseTime } from './when.js';

const expects = 'last=COUNT, since=TIME (such as 2026-11-22T10:00:00Z) or since=-SECONDS';

export class Replayer implements Replays {
  /** Messages that were sent again. */
  replayed = 0;
  private readonly core: BrokerCore;
  private readonly store: Store;
  private readonly lastNumber: () => number;
  private readonly active = new Set<RunningReplay>();
  private readonly waiting = new Set<RunningReplay>();

  /** @param lastNumber of what was published here so far */
  constructor(core: BrokerCore, store: Store, lastNumber: () => number) {
    this.core = core;
    this.store = store;
    this.lastNumber = lastNumber;
  }

  get size(): number {
    return this.active.size + this.waiting.size;
  }

  get isFull(): boolean {
    return this.waiting.size >= REPLAYS_WAITING_MAX;
  }

  parse(value: string): ReplayStart | string {
    const [, name, text = ''] = /^(last|since)=(.*)$/.exec(value) ?? [];
    if (name === 'last') {
      const count = /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 0;
      if (count > REPLAY_LAST_MAX) return `last= can be ${REPLAY_LAST_MAX} at most`;
      if (count > 0) return { kind: 'last', count };
    }
    if (name === 'since') {
      const timeMs = parseTime(text, this.store.wallMs());
      if (timeMs !== null) return { kind: 'since', timeMs };
    }
    return `tidewire-replay must be ${expects}`;
  }

  begin(session: Session, subscription: Subscription, start: ReplayStart): () => Replay {
    const { writer } = this.store.history!;
    const number = this.lastNumber();
    return () => {
      const replay = new RunningReplay(this.core, this.store, session, subscription, {
        start,
        writer,
        number,
        onSent: () => {
          this.replayed++;
        },
        onOver: () => this.onOver(replay),
      });
      this.waiting.add(replay);
      this.startNext();
      return replay;
    };
  }

  tick(nowMs: number): void {
    for (const replay of [...this.active, ...this.waiting]) replay.tick(nowMs);
  }

  close(): void {
    for (const replay of [...this.waiting, ...this.active]) replay.cancel();
  }

  private onOver(replay: RunningReplay): void {
    this.waiting.delete(replay);
    this.active.delete(replay);
    this.startNext();
  }

  private startNext(): void {
    for (const replay of this.waiting) {
      if (this.active.size >= REPLAYS_MAX) return;
      this.waiting.delete(replay);
      this.active.add(replay);
      replay.run();
    }
  }
}
