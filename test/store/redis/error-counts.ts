/** How often Redis has refused something, by its own count: which error a test really met. */
import type { RedisServer } from '../../support/redis-server.js';

/** Since they started. */
export async function errorCount(servers: readonly RedisServer[], code: string): Promise<number> {
  const texts = await Promise.all(servers.map((server) => server.info(`errorstat_${code}`)));
  return texts.reduce((sum, text) => sum + Number(/^count=(\d+)/.exec(text)?.[1] ?? 0), 0);
}
