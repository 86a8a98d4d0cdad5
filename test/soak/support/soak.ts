/**
 * What the soak tests share: how long they are, the broker's memory, its figures in `$SYS`.
 *
 * `npm test` runs short forms; `SOAK=1 npm test soak` runs the long ones.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { RunningBroker } from '../../integration/support/broker.js';
import { until } from '../../support/until.js';

export const isLong: boolean = process.env.SOAK === '1';

/** The first number in the short form, the second one in the long form. */
export function scaled(short: number, long: number): number {
  return isLong ? long : short;
}

/** Connections that a process may have here, of `wanted` ones, with some files left for others. */
export function affordable(wanted: number): number {
  const text = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim();
  const files = text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
  const possible = Math.max(0, files - 200);
  if (possible >= wanted) return wanted;
  say(`${wanted} connections wanted, ${possible} used: ulimit -n is ${text}`);
  return possible;
}

/** One line about what was measured, for whoever reads the test's output. */
export function say(line: string): void {
  process.stdout.write(`  ${line}\n`);
}

/** Resident bytes of a process. */
export function residentBytes(pid: number): number {
  if (process.platform === 'linux') {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', `${pid}`], { encoding: 'utf8' })) * 1024;
}

/**
 * Bytes of a process's own: without pages of files that are mapped into it, which the system takes
 * back when it needs them.
 */
export function ownBytes(pid: number): number {
  if (process.platform !== 'linux') return residentBytes(pid);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

export const MIB: number = 1024 * 1024;

/** Watches the broker's memory until it is stopped, and then says the most that there was. */
export class MemoryWatch {
  private highest = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(broker: RunningBroker, measure: (pid: number) => number = residentBytes) {
    const look = () => {
      this.highest = Math.max(this.highest, measure(broker.child.pid));
    };
    look();
    this.timer = setInterval(look, 50);
  }

  stop(): number {
    clearInterval(this.timer);
    return this.highest;
  }
}

/**
 * Looks at a broker's memory without its garbage, of which an idle process collects hardly any.
 * The broker was started with `collectingOptions`.
 */
export class CollectedMemory {
  private readonly broker: RunningBroker;
  private looks = 0;

  constructor(broker: RunningBroker) {
    this.broker = broker;
  }

  /** Resident bytes. */
  async look(): Promise<number> {
    const { child } = this.broker;
    child.signal('SIGUSR2');
    await child.untilLine(new RegExp(`^collected ${++this.looks}$`), { deadlineMs: 10_000 });
    return residentBytes(child.pid);
  }
}

/** Options of Node for a broker that collects its garbage when it is told to. */
export const collectingOptions: readonly string[] = [
  '--expose-gc',
  '--import',
  new URL('collect-on-signal.js', import.meta.url).href,
];

/** The broker's own figures: topics below `$SYS/broker/`. It needs `sys_interval 1`. */
export class Figures {
  private readonly values = new Map<string, number>();

  static async of(broker: RunningBroker): Promise<Figures> {
    const figures = new Figures();
    const client = broker.open({});
    client.client.on('message', (topic, payload) => {
      figures.values.set(topic.replace('$SYS/broker/', ''), Number(payload.toString()));
    });
    await client.untilConnected();
    await client.subscribe('$SYS/broker/#');
    await until('the figures', () => figures.values.size > 0);
    return figures;
  }

  get(name: string): number {
    return this.values.get(name) ?? 0;
  }

  /** Waits until the figure is `wanted`, or passes the check. */
  async until(name: string, wanted: number | ((value: number) => boolean)): Promise<number> {
    const fits = typeof wanted === 'number' ? (value: number) => value === wanted : wanted;
    try {
      await until(`$SYS/broker/${name}`, () => fits(this.get(name)), { deadlineMs: 10_000 });
    } catch (cause) {
      const expected = typeof wanted === 'number' ? `, not ${wanted}` : '';
      throw new Error(`$SYS/broker/${name} is ${this.get(name)}${expected}`, { cause });
    }
    return this.get(name);
  }
}
