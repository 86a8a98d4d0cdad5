/** A Redis store on a fake Redis in real time: the store's contract proves the fake. */
import { systemClock } from '../../../src/base/clock.js';
import { clients } from '../../../src/store/redis/connection.js';
import { Draw, Loop } from '../loop.js';
import { FakeRedis, type RedisShape } from './fake-redis.js';
import { Network } from './network.js';

const LOOK_MS = 1;

/** A fake Redis whose virtual time follows the real one. */
export class LiveRedis {
  readonly fake: FakeRedis;
  readonly loop: Loop;
  private readonly timer: NodeJS.Timeout;
  private readonly before = clients.make;

  constructor(shape: RedisShape) {
    const loop = new Loop();
    const draw = new Draw(1);
    const network = new Network(loop, draw, { delayMs: () => 0 });
    this.loop = loop;
    this.fake = new FakeRedis(shape, loop, draw, network);
    this.fake.replicationMs = [0, 0];
    clients.make = (options) => this.fake.client(loop.world, options).asRedis();
    const startMs = systemClock.nowMs() - loop.nowMs;
    this.fake.timeMs = () => performance.now();
    this.timer = setInterval(() => loop.runUntil(systemClock.nowMs() - startMs), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    clients.make = this.before;
  }
}
