/**
 * One TCP connection between a client and a server: two directions, each in order, with delays.
 * It can be cut, which both ends see; or go silent, which neither does. What a client sent before
 * it closed may still arrive: kernels go on sending.
 */
import type { Draw, Loop, Process } from '../loop.js';

export interface End {
  readonly process: Process;
  onData(data: unknown): void;
  onClose(): void;
}

/** How a network behaves at the moment. */
export interface Weather {
  /** Milliseconds that one way takes. */
  delayMs(draw: Draw): number;
}

class Direction {
  private readonly to: End;
  private readonly loop: Loop;
  private arrivesMs = 0;
  private waiting: (() => void)[] = [];
  private isClosed = false;
  /** Nothing arrives before this time. */
  heldUntilMs = 0;

  constructor(to: End, loop: Loop) {
    this.to = to;
    this.loop = loop;
  }

  send(data: unknown, delayMs: number): void {
    this.add(delayMs, () => this.to.onData(data));
  }

  /** The other end closed: seen behind what it sent. */
  close(delayMs: number): void {
    if (this.isClosed) return;
    this.add(delayMs, () => this.to.onClose());
    this.isClosed = true;
  }

  /** Loses what has not arrived, but for so many messages. */
  lose(keep: number): void {
    for (const cancel of this.waiting.splice(keep)) cancel();
  }

  get underway(): number {
    return this.waiting.length;
  }

  private add(delayMs: number, run: () => void): void {
    if (this.isClosed) return;
    const { loop } = this;
    const at = Math.max(this.arrivesMs, this.heldUntilMs, loop.nowMs + delayMs);
    this.arrivesMs = at;
    const cancel = loop.schedule(this.to.process, at - loop.nowMs, () => {
      const index = this.waiting.indexOf(cancel);
      if (index >= 0) this.waiting.splice(index, 1);
      run();
    });
    this.waiting.push(cancel);
  }
}

export class Wire {
  /** For the history: who talks to whom. */
  readonly name: string;
  isOver = false;
  private readonly toServer: Direction;
  private readonly toClient: Direction;
  private readonly draw: Draw;
  private readonly weather: Weather;

  constructor(name: string, client: End, server: End, loop: Loop, draw: Draw, weather: Weather) {
    this.name = name;
    this.draw = draw;
    this.weather = weather;
    this.toServer = new Direction(server, loop);
    this.toClient = new Direction(client, loop);
  }

  fromClient(data: unknown): void {
    this.toServer.send(data, this.weather.delayMs(this.draw));
  }

  fromServer(data: unknown): void {
    this.toClient.send(data, this.weather.delayMs(this.draw));
  }

  closeByClient(): void {
    this.isOver = true;
    this.toServer.close(this.weather.delayMs(this.draw));
    this.toClient.lose(0);
  }

  closeByServer(): void {
    this.isOver = true;
    this.toClient.close(this.weather.delayMs(this.draw));
  }

  /** Both ends see it end; of what is on its way, a part arrives first. */
  cut(): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const direction of [this.toServer, this.toClient]) {
      direction.lose(this.draw.below(direction.underway + 1));
      direction.close(this.weather.delayMs(this.draw));
    }
  }

  /** A direction stands still for a while; nothing is lost. */
  hold(untilMs: number, which: 'toServer' | 'toClient'): void {
    this[which].heldUntilMs = Math.max(this[which].heldUntilMs, untilMs);
  }

  /** Both do. */
  split(untilMs: number): void {
    this.hold(untilMs, 'toServer');
    this.hold(untilMs, 'toClient');
  }
}
