/** All servers, and the connections to them. */
import type { Draw, Loop, Process } from '../loop.js';
import type { FakeServer } from './server.js';
import { type End, type Weather, Wire } from './wire.js';

/** For a while nothing gets from one side to the other, and neither end notices. */
export interface Split {
  readonly untilMs: number;
  /** @param one, other names of brokers and servers */
  isBetween(one: string, other: string): boolean;
}

export class Network {
  readonly servers = new Map<number, FakeServer>();
  /** All that are open, in the order of their making. */
  wires: { readonly wire: Wire; readonly client: End; readonly port: number }[] = [];
  readonly loop: Loop;
  readonly draw: Draw;
  readonly weather: Weather;
  /** From when on no way is split. */
  healedMs = 0;
  private splits: Split[] = [];

  constructor(loop: Loop, draw: Draw, weather: Weather) {
    this.loop = loop;
    this.draw = draw;
    this.weather = weather;
  }

  connect(client: End, port: number): Wire {
    const server = this.servers.get(port);
    const { draw, loop, weather } = this;
    const untilMs = this.splitUntilMs(brokerOf(client.process), `redis${port}`);
    if (server === undefined || !server.isUp) {
      const wire = new Wire('nowhere', client, deaf(loop), loop, draw, weather);
      wire.hold(untilMs, 'toClient');
      wire.closeByServer();
      return wire;
    }
    const session = server.accept();
    const name = `${client.process.name}→${server.name}`;
    const wire = new Wire(name, client, session, loop, draw, weather);
    session.wire = wire;
    wire.split(untilMs);
    this.wires = this.wires.filter((one) => !one.wire.isOver);
    this.wires.push({ wire, client, port });
    return wire;
  }

  /** What is on its way arrives when it is over, unless somebody gives up before. */
  split(split: Split): void {
    this.splits.push(split);
    this.healedMs = Math.max(this.healedMs, split.untilMs);
    for (const { client, port, wire } of this.wires) {
      if (wire.isOver || !split.isBetween(brokerOf(client.process), `redis${port}`)) continue;
      wire.split(split.untilMs);
    }
  }

  /** When a way is open again; 0: it is. */
  splitUntilMs(one: string, other: string): number {
    if (this.splits.length === 0) return 0;
    const { nowMs } = this.loop;
    this.splits = this.splits.filter(({ untilMs }) => untilMs > nowMs);
    let latest = 0;
    for (const split of this.splits) {
      if (split.isBetween(one, other)) latest = Math.max(latest, split.untilMs);
    }
    return latest;
  }

  /** Ends some connections; `which` says whose. */
  cut(which: (client: End, port: number) => boolean): number {
    let count = 0;
    for (const { client, port, wire } of this.wires) {
      if (wire.isOver || !which(client, port)) continue;
      wire.cut();
      count++;
    }
    return count;
  }
}

/** Its name, whichever of its lives this is. */
export function brokerOf({ name }: Process): string {
  return name.split('.')[0]!;
}

/** What nobody listens to. */
function deaf(loop: Loop): End {
  return { process: loop.world, onData: () => undefined, onClose: () => undefined };
}
