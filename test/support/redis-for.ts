/** A Redis server for the tests of one file, which keeps nothing. */
import { RedisServer } from './redis-server.js';
import { TempFolder } from './temp.js';

/** As much of a suite as this needs. */
export interface Hooks {
  before(hook: () => Promise<void>): void;
  after(hook: () => Promise<void>): void;
}

export interface UsedRedis {
  /** Runs while the tests do. */
  readonly server: RedisServer;
}

/** Starts a server before the first test of the suite, and ends it after the last one. */
export function redisFor(test: Hooks): UsedRedis {
  let server: RedisServer | null = null;
  let folder: TempFolder | null = null;
  test.before(async () => {
    folder = new TempFolder();
    server = await RedisServer.start({ folder: folder.path, settings: { appendonly: 'no' } });
  });
  test.after(async () => {
    await server?.kill();
    folder?.remove();
  });
  return {
    get server(): RedisServer {
      if (server === null) throw new Error('Redis is there in tests only');
      return server;
    },
  };
}
