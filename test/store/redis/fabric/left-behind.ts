/** What brokers that are gone have left in Redis. */
import type { RedisServer } from '../../../support/redis-server.js';

/** Those that do not end by themselves, as the numbers of last calls do. */
export async function lastingKeys(server: RedisServer, pattern: string): Promise<string[]> {
  const lasting: string[] = [];
  for (const key of (await server.command('KEYS', pattern)) as string[]) {
    if (Number(await server.command('TTL', key)) < 0) lasting.push(key);
  }
  return lasting;
}

/** Fields of routes in the maps. */
export async function routesIn(server: RedisServer, prefix: string): Promise<string[]> {
  const fields: string[] = [];
  for (let shard = 0; shard < 4; shard++) {
    const some = await server.command('HKEYS', `${prefix}{map:${shard}}:m`);
    fields.push(...(some as string[]).filter((field) => field.startsWith('n')));
  }
  return fields;
}
