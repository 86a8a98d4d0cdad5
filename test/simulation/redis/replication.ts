/** A primary's stream of changes to its replicas, and how far they are. */
import type { Loop } from '../loop.js';
import { commandOf } from './commands.js';
import type { FakeServer } from './server.js';

interface Follower {
  readonly server: FakeServer;
  /** Offset that it has confirmed. */
  confirmed: number;
  /** Changes on their way to it, oldest first. */
  underway: { readonly effects: readonly (readonly string[])[]; readonly cancel: () => void }[];
  arrivesMs: number;
  isAttached: boolean;
}

export class Replication {
  private readonly server: FakeServer;
  private readonly loop: Loop;
  private readonly delayMs: (from: FakeServer, to: FakeServer) => number;
  private followers: Follower[] = [];
  private offset = 0;

  constructor(
    server: FakeServer,
    loop: Loop,
    delayMs: (from: FakeServer, to: FakeServer) => number,
  ) {
    this.server = server;
    this.loop = loop;
    this.delayMs = delayMs;
  }

  /** Ports of the replicas that follow, as far as the primary knows. */
  get attached(): number[] {
    return this.followers.map(({ server }) => server.port);
  }

  /** A replica begins with a copy of all there is. */
  attach(server: FakeServer): void {
    this.detach(server);
    server.db = this.server.db.copy();
    const { offset } = this;
    const follower = { server, confirmed: offset, underway: [], arrivesMs: 0, isAttached: true };
    this.followers.push(follower);
  }

  detach(server: FakeServer): void {
    for (const follower of this.followers) {
      if (follower.server === server) letGo(follower);
    }
    this.followers = this.followers.filter((follower) => follower.server !== server);
  }

  detachAll(): void {
    for (const follower of this.followers) letGo(follower);
    this.followers = [];
  }

  /** The replicas are not heard any more, and the primary does not know why. */
  silence(): void {
    for (const follower of this.followers) letGo(follower);
  }

  /**
   * The primary is gone: of what was on its way to a replica, a part arrives.
   *
   * @param keep of so many messages, how many arrive
   */
  breakOff(keep: (underway: number) => number): void {
    for (const follower of this.followers) {
      const kept = keep(follower.underway.length);
      for (const [index, { cancel, effects }] of follower.underway.entries()) {
        cancel();
        if (index < kept) apply(follower.server, effects);
      }
    }
    this.detachAll();
  }

  /** @returns the offset behind these changes */
  send(effects: readonly (readonly string[])[]): number {
    const offset = ++this.offset;
    for (const follower of this.followers) {
      if (follower.isAttached) this.sendTo(follower, effects, offset);
    }
    return offset;
  }

  /** How many replicas have all up to an offset. */
  confirmed(offset: number): number {
    return this.followers.filter(({ confirmed }) => confirmed >= offset).length;
  }

  private sendTo(follower: Follower, effects: readonly (readonly string[])[], offset: number) {
    const { loop, server } = this;
    const delayMs = this.delayMs(server, follower.server);
    follower.arrivesMs = Math.max(follower.arrivesMs, loop.nowMs + delayMs);
    const cancel = loop.schedule(follower.server.process, follower.arrivesMs - loop.nowMs, () => {
      follower.underway.shift();
      apply(follower.server, effects);
      loop.schedule(server.process, this.delayMs(follower.server, server), () => {
        if (!follower.isAttached) return;
        follower.confirmed = Math.max(follower.confirmed, offset);
        server.onConfirmed();
      });
    });
    follower.underway.push({ effects, cancel });
  }
}

/** Nothing more arrives. */
function letGo(follower: Follower): void {
  follower.isAttached = false;
  for (const { cancel } of follower.underway) cancel();
  follower.underway = [];
}

function apply(server: FakeServer, effects: readonly (readonly string[])[]): void {
  for (const args of effects) commandOf(args).run(server.db, args, never);
  server.db.effects = [];
  server.db.grown = [];
}

/** Effects say everything themselves. */
const never = {
  nowUs: (): number => {
    throw new Error('an effect asks for the time');
  },
  below: (): number => {
    throw new Error('an effect draws');
  },
};
