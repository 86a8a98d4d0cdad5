/** Brokers that share a Redis, as tests see them: stores, and what their fabrics tell. */
import type { FabricObserver } from '../../../src/store/fabric.js';
import type { FabricTimes } from '../../../src/store/redis/fabric/fabric-home.js';
import type { RedisStoreOptions } from '../../../src/store/redis/options.js';
import { RedisStore } from '../../../src/store/redis/redis-store.js';
import type { StoredSession } from '../../../src/store/store.js';
import type { UsedRedis } from '../../support/redis-for.js';
import { Heard, Loaded, StoreDriver } from '../support/driver.js';
import { optionsFor } from './harness.js';

/** Short, so that tests need not wait; long enough for a busy machine. */
export const quickTimes: FabricTimes = {
  leaseMs: 2_000,
  tickMs: 50,
  freezeMs: 1_500,
  marginMs: 200,
  slowMs: 1_000,
};

/** What an observer heard, and when: `log` has all of it, in order. */
export class HeardFabric implements FabricObserver {
  readonly log: string[] = [];
  readonly adopted: { session: StoredSession; isTransient: boolean }[] = [];
  /** True: what comes to members of shared subscriptions, and wills, are not `done` yet. */
  isBusy = false;
  /** Of what came while `isBusy`. */
  readonly done: (() => void)[] = [];
  /** Called with each line of the log. */
  onLine: (line: string) => void = () => undefined;

  count(beginning: string): number {
    return this.log.filter((line) => line.startsWith(beginning)).length;
  }

  onJoined(node: string): void {
    this.note(`joined ${nameOf(node)}`);
  }

  onLeft(node: string): void {
    this.note(`left ${nameOf(node)}`);
  }

  onRemoved(): void {
    this.note('removed');
  }

  onPublished(record: Buffer): void {
    this.note(`published ${record}`);
  }

  onPublishedTo(clientId: string, record: Buffer, _mark: unknown, done: () => void): void {
    this.note(`published to ${clientId} ${record}`);
    this.end(done);
  }

  onLeftBehind(record: Buffer, done: () => void): void {
    this.note(`left behind ${record}`);
    this.end(done);
  }

  onAppended(
    clientId: string,
    endSeq: number,
    records: readonly Buffer[],
    dropped: readonly number[],
  ): void {
    const gone = dropped.length === 0 ? '' : ` without ${dropped.join(',')}`;
    this.note(`appended ${clientId} ${endSeq} ${records.join(',')}${gone}`);
  }

  onClaimed(clientId: string, epoch: number): void {
    this.note(`claimed ${clientId} ${epoch}`);
  }

  onAdopted(session: StoredSession, isTransient: boolean): void {
    this.adopted.push({ session, isTransient });
    this.note(`adopted ${session.clientId}`);
  }

  onOwnLastWill(clientId: string, done: () => void): void {
    this.note(`own last will ${clientId}`);
    this.end(done);
  }

  onLastWill(clientId: string, info: Buffer, will: Buffer, done: (() => void) | null): void {
    this.note(`last will of ${clientId} ${info} ${will}`);
    if (done !== null) this.end(done);
  }

  onSession(session: StoredSession): void {
    this.note(`session ${session.clientId}`);
  }

  onSubscribed(clientId: string, _epoch: number, { filter }: { filter: string }): void {
    this.note(`subscribed ${clientId} ${filter}`);
  }

  onUnsubscribed(clientId: string, _epoch: number, filter: string): void {
    this.note(`unsubscribed ${clientId} ${filter}`);
  }

  onOnline(clientId: string, _epoch: number, node: string): void {
    this.note(`online ${clientId} ${nameOf(node)}`);
  }

  onRoute(node: string, filter: string, kinds: number): void {
    this.note(`route ${nameOf(node)} ${filter} ${kinds}`);
  }

  onMember(node: string, clientId: string, { filter }: { filter: string }): void {
    this.note(`member ${nameOf(node)} ${clientId} ${filter}`);
  }

  onMemberGone(node: string, clientId: string, filter: string): void {
    this.note(`member gone ${nameOf(node)} ${clientId} ${filter}`);
  }

  onRetained(topic: string, record: Buffer | null): void {
    this.note(`retained ${topic} ${record}`);
  }

  private end(done: () => void): void {
    if (this.isBusy) this.done.push(done);
    else done();
  }

  private note(line: string): void {
    this.log.push(line);
    this.onLine(line);
  }
}

export interface TestBroker {
  readonly store: RedisStore;
  readonly driver: StoreDriver;
  readonly heard: HeardFabric;
  readonly observer: Heard;
  readonly loaded: Loaded;
}

export async function startBroker(
  options: RedisStoreOptions,
  nodeName: string,
  fabricTimes: FabricTimes = quickTimes,
): Promise<TestBroker> {
  const store = new RedisStore({ ...options, nodeName, fabricTimes });
  const loaded = new Loaded();
  const observer = new Heard();
  const heard = new HeardFabric();
  await store.open(loaded, observer, heard);
  return { store, loaded, observer, heard, driver: new StoreDriver(store) };
}

/** What a test with several brokers is given beside them. */
export interface Ring {
  readonly options: RedisStoreOptions;
  readonly prefix: string;
  /** One more broker. */
  start(name: string): Promise<TestBroker>;
}

/** Runs `body` with brokers `a`, `b`, … on one prefix; those that still live are closed. */
export function withBrokers(
  redis: UsedRedis,
  count: number,
  body: (brokers: TestBroker[], ring: Ring) => Promise<void>,
  times?: FabricTimes,
): () => Promise<void> {
  return async () => {
    const options = optionsFor([['127.0.0.1', redis.server.port]]);
    const brokers: TestBroker[] = [];
    const start = async (name: string) => {
      const broker = await startBroker(options, name, times);
      brokers.push(broker);
      return broker;
    };
    try {
      for (const name of 'abc'.slice(0, count)) await start(name);
      await body(brokers, { options, prefix: options.prefix, start });
    } finally {
      for (const { store } of brokers) await store.close();
    }
  };
}

/** The same with brokers a, b and c. */
export function withThree(
  redis: UsedRedis,
  body: (ring: Ring & Readonly<Record<'a' | 'b' | 'c', TestBroker>>) => Promise<void>,
): () => Promise<void> {
  return withBrokers(redis, 3, ([a, b, c], ring) => body({ ...ring, a: a!, b: b!, c: c! }));
}

/** `a~x7Fk2mQ9` → `a`; empty stays empty. */
function nameOf(node: string): string {
  return node.slice(0, -9);
}
