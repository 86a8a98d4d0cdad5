/** Looks at every primary when the store opens, and logs what should be changed. */
import { messageOf } from '../../base/errors.js';
import { inspect } from './checks.js';
import type { Cluster } from './cluster.js';
import { addressText } from './connection.js';
import { askFacts } from './facts.js';
import { detailOf } from './finding.js';
import type { RedisStoreOptions } from './options.js';
import { withConnection } from './watched.js';

const levels = { error: 'error', warning: 'warning', advice: 'notice' } as const;

export async function logFindings(cluster: Cluster, options: RedisStoreOptions): Promise<void> {
  const { ackLevel, clock, log } = options;
  for (const address of cluster.addresses()) {
    const redis = addressText(address);
    try {
      const facts = await withConnection(address, cluster.login, clock, (connection) =>
        askFacts(connection, ackLevel),
      );
      for (const finding of inspect(facts)) {
        const fields = { redis, check: finding.name, detail: detailOf(finding) };
        log.write(levels[finding.level], 'redis should be set up otherwise', fields);
      }
    } catch (error) {
      log.write('notice', 'redis could not be looked at', { redis, detail: messageOf(error) });
    }
  }
}
