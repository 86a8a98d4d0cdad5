/**
 * A slot goes from one shard to another, as `redis-cli --cluster reshard` does it: key by key, with
 * the source still the owner, until nothing is left there.
 *
 *     importing ─▶ migrating ─▶ MIGRATE, some keys at a time … ─▶ the target has it ─▶ all know
 */
import type { Draw, Loop } from '../loop.js';
import type { FakeRedis, Shard } from './fake-redis.js';
import { ErrorReply } from './reply.js';
import { slotOfKey } from './slots.js';

/** Milliseconds between looks at whether a server that stands still goes on. */
const PATIENCE_MS = 50;

export class SlotMove {
  private readonly redis: FakeRedis;
  private readonly loop: Loop;
  private readonly draw: Draw;
  private readonly slot: number;
  private readonly from: Shard;
  private readonly to: Shard;
  private readonly slowMs: number;
  private readonly onDone: () => void;

  constructor(
    redis: FakeRedis,
    loop: Loop,
    draw: Draw,
    move: { readonly slot: number; readonly from: Shard; readonly to: Shard },
    onDone: () => void,
  ) {
    this.redis = redis;
    this.loop = loop;
    this.draw = draw;
    this.slot = move.slot;
    this.from = move.from;
    this.to = move.to;
    this.slowMs = draw.pick([0.5, 5, 60]);
    this.onDone = onDone;
  }

  start(): void {
    this.step(() => {
      this.target.view.importing.add(this.slot);
      this.step(() => {
        this.source.view.migrating.set(this.slot, this.target);
        this.step(() => this.moveSome());
      });
    });
  }

  private get source(): Shard['primary'] {
    return this.from.primary;
  }

  private get target(): Shard['primary'] {
    return this.to.primary;
  }

  /** MIGRATE is atomic: nobody is served while a key is at both, or at neither. */
  private moveSome(): void {
    const { draw, slot, source, target } = this;
    const keys = [...source.db.keys.keys()].filter((key) => slotOfKey(key) === slot);
    const count = 1 + draw.below(3);
    for (let n = 0; n < count && keys.length > 0; n++) {
      const [key] = keys.splice(draw.below(keys.length), 1);
      target.apply(['RESTORE', key!, source.db.dump(key!)]);
      source.apply(['DEL', key!]);
    }
    this.step(() => (keys.length > 0 ? this.moveSome() : this.handOver()));
  }

  /** SETSLOT NODE: first at the target, which tells the others. */
  private handOver(): void {
    const { redis, slot, source, target, to } = this;
    target.view.importing.delete(slot);
    redis.giveSlot(slot, to);
    target.view.config = redis.config;
    this.step(() => {
      source.view.migrating.delete(slot);
      source.view.config = redis.config;
      redis.spread();
      // Redis looks now and then at who waits for what.
      this.loop.schedule(source.process, this.draw.between(0, 100), () => {
        const moved = new ErrorReply(`MOVED ${slot} 127.0.0.1:${target.port}`);
        source.refuseReads((key) => slotOfKey(key) === slot, moved);
      });
      this.onDone();
    });
  }

  /** The operator goes on when both servers answer. */
  private step(act: () => void): void {
    const ms = this.draw.between(0, this.slowMs);
    this.loop.schedule(this.loop.world, ms, () => this.whenBoth(act));
  }

  private whenBoth(act: () => void): void {
    if (this.source.process.isRunning && this.target.process.isRunning) act();
    else this.loop.schedule(this.loop.world, PATIENCE_MS, () => this.whenBoth(act));
  }
}
