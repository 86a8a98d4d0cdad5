/** What goes wrong in a history, and how it is mended. */
import type { History } from './history.js';
import type { Draw } from './loop.js';
import type { Network } from './redis/network.js';
import { RedisFaults, redisKinds } from './redis-faults.js';
import type { SimBroker } from './sim-broker.js';

const brokerKinds = [
  'kill broker',
  'kill broker',
  'pause broker',
  'stop broker',
  'cut',
  'cut',
  'hold',
  'cut off',
] as const;

const kinds = [...brokerKinds, ...redisKinds] as const;
type Kind = (typeof kinds)[number];

export class Faults {
  readonly counts: Record<string, number> = {};
  private readonly history: History;
  private readonly network: Network;
  private readonly draw: Draw;
  private readonly redis: RedisFaults;
  private readonly pausedBrokers = new Set<SimBroker>();
  private isOver = false;

  constructor(history: History, network: Network, draw: Draw) {
    this.history = history;
    this.network = network;
    this.draw = draw;
    this.redis = new RedisFaults(history, network, draw);
  }

  plan(endMs: number): void {
    const { draw } = this;
    const { loop } = this.history;
    // A history of few kinds goes deeper into each.
    const chosen = kinds.filter(() => draw.chance(0.5));
    const most = draw.pick([1, 2, 5, 10]);
    if (chosen.length === 0) return;
    for (let n = 0; n < most; n++) {
      const atMs = draw.between(0, endMs - loop.nowMs);
      const kind = draw.pick(chosen);
      loop.schedule(loop.world, atMs, () => {
        if (this.isOver || !this.begin(kind)) return;
        this.counts[kind] = (this.counts[kind] ?? 0) + 1;
      });
    }
  }

  /** Everything works from now on. */
  mendAll(): void {
    this.isOver = true;
    for (const broker of this.pausedBrokers) this.resume(broker);
    for (const broker of this.history.brokers) if (!broker.isUp) broker.start();
    this.redis.mendAll();
  }

  /** False: not now. */
  private begin(kind: Kind): boolean {
    const { draw, history } = this;
    const broker = draw.pick(history.brokers);
    switch (kind) {
      case 'kill broker':
        return this.killBroker(broker);
      case 'pause broker':
        return this.pauseBroker(broker);
      case 'stop broker':
        return this.stopBroker(broker);
      case 'cut':
        return this.cut(broker);
      case 'hold':
        return this.hold(broker);
      case 'cut off':
        return this.cutOff(broker);
      default:
        return this.redis.begin(kind);
    }
  }

  private later(ms: number, act: () => void): void {
    const { loop } = this.history;
    loop.schedule(loop.world, ms, () => {
      if (!this.isOver) act();
    });
  }

  private say(what: string): void {
    this.history.trace('FAULT', what);
  }

  // Brokers.

  private killBroker(broker: SimBroker): boolean {
    if (!broker.isUp) return false;
    this.say(`${broker.process.name} is killed`);
    this.pausedBrokers.delete(broker);
    this.dropWires(broker);
    broker.kill();
    this.later(this.draw.pick([100, 1_000, 5_000, 20_000]), () => this.startBroker(broker));
    return true;
  }

  private startBroker(broker: SimBroker): void {
    if (broker.isUp) return;
    this.say(`${broker.name} starts`);
    broker.start();
  }

  private pauseBroker(broker: SimBroker): boolean {
    if (!broker.process.isRunning) return false;
    const ms = this.draw.pick([300, 2_000, 8_000, 20_000]);
    this.say(`${broker.process.name} is stopped for ${ms} ms`);
    broker.process.pause();
    this.pausedBrokers.add(broker);
    this.later(ms, () => this.resume(broker));
    return true;
  }

  private resume(broker: SimBroker): void {
    if (!this.pausedBrokers.delete(broker)) return;
    this.say(`${broker.process.name} goes on`);
    broker.process.resume();
  }

  private stopBroker(broker: SimBroker): boolean {
    if (!broker.process.isRunning || !broker.isServing) return false;
    this.say(`${broker.process.name} is told to end`);
    const { process } = broker;
    broker.stop(() => {
      this.dropWires(broker);
      const startMs = this.isOver ? 1 : this.draw.between(10, 3_000);
      const { loop } = this.history;
      loop.schedule(loop.world, startMs, () => {
        if (broker.process.isDead || broker.process !== process) this.startBroker(broker);
      });
    });
    return true;
  }

  /** Its kernel closes its connections to Redis; what is on its way may still arrive. */
  private dropWires(broker: SimBroker): void {
    this.network.cut((client) => client.process === broker.process);
  }

  // The network between brokers and Redis.

  private cut(broker: SimBroker): boolean {
    const port = this.draw.chance(0.5) ? this.draw.pick([...this.network.servers.keys()]) : 0;
    const isOfAll = this.draw.chance(0.3);
    const count = this.network.cut(
      (client, to) =>
        (isOfAll || client.process === broker.process) &&
        (port === 0 || to === port) &&
        this.draw.chance(0.7),
    );
    if (count > 0) this.say(`${count} connections to Redis are cut`);
    return count > 0;
  }

  private hold(broker: SimBroker): boolean {
    const { loop } = this.history;
    const ms = this.draw.pick([100, 800, 2_500]);
    const which = this.draw.pick(['toServer', 'toClient'] as const);
    const wires = this.network.wires.filter(
      ({ client, wire }) =>
        !wire.isOver && client.process === broker.process && this.draw.chance(0.6),
    );
    for (const { wire } of wires) wire.hold(loop.nowMs + ms, which);
    if (wires.length > 0) this.say(`${wires.length} connections of ${broker.name} stand ${which}`);
    return wires.length > 0;
  }

  /** Nothing gets through between it and Redis, or one of the servers; nobody is told. */
  private cutOff(broker: SimBroker): boolean {
    const { draw, network } = this;
    const ms = draw.pick([300, 2_000, 6_000, 18_000]);
    const ports = [...network.servers.keys()];
    const isOfAll = draw.chance(0.5);
    const cut = new Set(
      ports.filter(() => isOfAll || draw.chance(0.5)).map((port) => `redis${port}`),
    );
    if (cut.size === 0) return false;
    this.say(`${broker.name} is cut off from ${[...cut].join(' ')} for ${ms} ms`);
    network.split({
      untilMs: this.history.loop.nowMs + ms,
      isBetween: (one, other) => one === broker.name && cut.has(other),
    });
    return true;
  }
}
