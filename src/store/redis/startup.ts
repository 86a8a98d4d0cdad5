/** Looks at every primary when the store opens, and logs what should be changed. */
import { messageOf } from '../../base/errors.js';
import { type Finding, inspect, inspectedSettings } from './checks.js';
import type { Cluster } from './cluster.js';
import { addressText, Connection } from './connection.js';
import { parseInfo, parsePairs } from './info.js';
import type { RedisStoreOptions } from './options.js';

const levels = { error: 'error', warning: 'warning', advice: 'notice' } as const;

export async function logFindings(cluster: Cluster, options: RedisStoreOptions): Promise<void> {
  for (const address of cluster.addresses()) {
    const name = addressText(address);
    const connection = new Connection(address, cluster.login, options.clock);
    try {
      await connection.open();
      const findings = await look(connection, options);
      for (const { detail, level, name: check } of findings) {
        options.log.write(levels[level], 'redis should be set up otherwise', {
          redis: name,
          check,
          detail,
        });
      }
    } catch (error) {
      const detail = messageOf(error);
      options.log.write('notice', 'redis could not be looked at', { redis: name, detail });
    } finally {
      connection.close();
    }
  }
}

/** What one server should be changed in. */
export async function look(
  connection: Connection,
  { ackLevel }: Pick<RedisStoreOptions, 'ackLevel'>,
): Promise<Finding[]> {
  const info = parseInfo(await connection.command('INFO'));
  const config = await connection.command('CONFIG', 'GET', ...inspectedSettings).then(
    (reply) => parsePairs(reply),
    () => null,
  );
  return inspect({ info, config, ackLevel });
}
