/** `tidewire redis-check`: looks at a Redis as a careful operator would before a broker uses it. */
import { systemClock } from './base/clock.js';
import { BrokerError } from './base/errors.js';
import type { Environment } from './config/environment.js';
import { redisOptions } from './make-store.js';
import { parseRedisCheck, redisCheckUsage } from './redis-check-options.js';
import { reportJson, reportText } from './redis-check-report.js';
import { inspectAll } from './store/redis/checks-all.js';
import { survey } from './store/redis/survey.js';

export interface RedisCheckIo {
  /** The report, and `--help`. */
  out(text: string): void;
  /** One line per error. */
  error(text: string): void;
  readonly environment: Environment;
}

/** Runs the command; resolves with the exit code, as the usage says it. */
export async function runRedisCheckCommand(
  args: readonly string[],
  io: RedisCheckIo,
): Promise<number> {
  try {
    const options = parseRedisCheck(args, io.environment);
    if (options === null) {
      io.out(redisCheckUsage);
      return 0;
    }
    const { ackLevel, nodes, password, tls, username } = redisOptions(options.redis);
    const found = await survey({
      nodes: nodes.map(([host, port]) => ({ host, port })),
      login: { username, password, tls, name: 'tidewire:redis-check' },
      ackLevel,
      clock: systemClock,
      preciseMs: () => performance.now(),
    });
    const findings = inspectAll(found);
    io.out(options.isJson ? reportJson(found, findings) : reportText(found, findings));
    return findings.some(({ level }) => level === 'error') ? 2 : 0;
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    io.error(`Error: ${error.message}\n`);
    return 1;
  }
}

/** The real thing: this process. */
export function processRedisCheckIo(): RedisCheckIo {
  return {
    out: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(text),
    environment: process.env,
  };
}
