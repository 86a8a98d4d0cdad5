import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../src/base/clock.js';
import { BrokerError } from '../../src/base/errors.js';
import type { LogConfig, LogDestination } from '../../src/config/config.js';
import { allLogTypes } from '../../src/config/defaults.js';
import { type ClosableLog, createLog, type LogOptions } from '../../src/ops/log.js';
import { type TempFolder, withTempFolder } from '../support/temp.js';
import { until, untilEvent, within } from '../support/until.js';
import { linesOf, logConfig } from './support.js';

const test = suite('log');

interface Rig {
  readonly folder: TempFolder;
  readonly clock: FakeClock;
  readonly published: [string, string][];
  readonly create: (config: Partial<LogConfig>, options?: Partial<LogOptions>) => ClosableLog;
}

/** Standard output and error are files, `out` and `err`, of a folder. */
async function withLog(body: (rig: Rig) => Promise<void>): Promise<void> {
  await withTempFolder(async (folder) => {
    const logs: ClosableLog[] = [];
    const clock = new FakeClock();
    const published: [string, string][] = [];
    const create: Rig['create'] = (config, options = {}) => {
      const log = createLog(logConfig(config), {
        clock,
        publish: (topic, line) => published.push([topic, line]),
        defer: (run) => run(),
        descriptors: {
          stdout: openSync(folder.file('out'), 'a'),
          stderr: openSync(folder.file('err'), 'a'),
        },
        isTerminal: () => false,
        ...options,
      });
      logs.push(log);
      return log;
    };
    try {
      await body({ folder, clock, published, create });
    } finally {
      for (const log of logs) await log.close();
    }
  });
}

function to(...kinds: ('stdout' | 'stderr' | 'topic' | 'syslog')[]): LogDestination[] {
  return kinds.map((kind) => ({ kind }));
}

test('writes JSON to what is no terminal', async () => {
  await withLog(async ({ folder, create }) => {
    const log = create({ destinations: to('stderr') });

    log.write('notice', 'client connected', { clientId: 'a' });
    await log.close();

    const time = '2023-11-14T22:13:20.000Z';
    assert.equal(linesOf(folder.file('err')), [
      `{"level":"notice","time":"${time}","clientId":"a","event":"client connected"}`,
    ]);
    assert.equal(linesOf(folder.file('out')), []);
  });
});

test('writes lines for people to a terminal', async () => {
  await withLog(async ({ folder, create }) => {
    const log = create({ destinations: to('stdout') }, { isTerminal: () => true });

    log.write('notice', 'client connected', { clientId: 'a' });
    await log.close();

    const expected = '2023-11-14T22:13:20.000Z: notice      client connected clientId=a';
    assert.equal(linesOf(folder.file('out')), [expected]);
  });
});

test('writes to all destinations', async () => {
  await withLog(async ({ folder, create, published }) => {
    const path = folder.file('log');
    const destinations = [...to('stdout', 'stderr', 'topic'), { kind: 'file', path } as const];
    const log = create({ destinations, timestamp: false });

    log.write('error', 'e');
    await log.close();

    for (const name of ['out', 'err', 'log']) {
      assert.equal(linesOf(folder.file(name)), ['{"level":"error","event":"e"}']);
    }
    assert.equal(published, [['$SYS/broker/log/E', 'e']]);
  });
});

test('is enabled exactly for the levels of log_type that go somewhere', async () => {
  await withLog(async ({ create }) => {
    const standard = create({ destinations: to('stderr') });
    const all = create({ destinations: to('stderr'), types: allLogTypes });
    const topicOnly = create({ destinations: to('topic'), types: allLogTypes });
    const nowhere = create({ destinations: [], types: allLogTypes });

    assert.ok(standard.enabled('notice'));
    assert.not(standard.enabled('debug'));
    assert.not(standard.enabled('subscribe'));
    assert.ok(all.enabled('debug'));
    assert.ok(all.enabled('websockets'));
    assert.ok(topicOnly.enabled('subscribe'));
    assert.not(topicOnly.enabled('debug'));
    assert.not(nowhere.enabled('error'));
  });
});

test('writes only the levels of log_type', async () => {
  await withLog(async ({ folder, create }) => {
    const log = create({ destinations: to('stderr'), types: ['subscribe', 'error'] });

    for (const level of ['notice', 'subscribe', 'unsubscribe', 'error', 'debug'] as const) {
      log.write(level, level);
    }
    await log.close();

    const levels = linesOf(folder.file('err')).map((line) => JSON.parse(line).level);
    assert.equal(levels, ['subscribe', 'error']);
  });
});

test('takes the format of the time from log_timestamp_format', async () => {
  await withLog(async ({ folder, create }) => {
    const log = create({ destinations: to('stderr'), timestampFormat: 'at %s' });

    log.write('error', 'e');
    await log.close();

    assert.is(JSON.parse(linesOf(folder.file('err'))[0] ?? '').time, 'at 1700000000');
  });
});

test('counts repeated warnings instead of writing them', async () => {
  await withLog(async ({ folder, clock, create }) => {
    const log = create({ destinations: to('stderr'), timestamp: false });

    for (let count = 0; count < 50; count++) log.write('warning', 'w');
    clock.advance(10_000);
    log.tick();
    await log.close();

    assert.equal(linesOf(folder.file('err')), [
      '{"level":"warning","event":"w"}',
      '{"level":"warning","repeated":49,"event":"w"}',
    ]);
  });
});

test('appends to a file that is nobody else’s business', async () => {
  await withLog(async ({ folder, create }) => {
    const path = folder.file('log');
    for (const event of ['one', 'two']) {
      const log = create({ destinations: [{ kind: 'file', path }], timestamp: false });
      log.write('error', event);
      await log.close();
    }

    assert.is(linesOf(path).length, 2);
    assert.is(statSync(path).mode & 0o777, 0o600);
  });
});

test('goes on in a new file when the old one was moved away and it is reopened', async () => {
  await withLog(async ({ folder, create }) => {
    const path = folder.file('log');
    const log = create({ destinations: [{ kind: 'file', path }], timestamp: false });

    log.write('error', 'one');
    await until('the line', () => linesOf(path).length === 1);
    renameSync(path, `${path}.1`);
    log.write('error', 'two');
    await until('the line', () => linesOf(`${path}.1`).length === 2);
    log.reopen();
    log.write('error', 'three');
    await log.close();

    assert.equal(linesOf(path), ['{"level":"error","event":"three"}']);
    assert.is(linesOf(`${path}.1`).length, 2);
  });
});

test('refuses a file that cannot be opened, in one line', async () => {
  await withLog(async ({ folder, create }) => {
    const path = folder.file('missing/log');

    assert.throws(
      () => create({ destinations: [{ kind: 'file', path }] }),
      (error: unknown) =>
        error instanceof BrokerError &&
        error.code === 'LOG_FILE' &&
        error.message.startsWith(`log_dest file: cannot open ${path}: ENOENT`),
    );
  });
});

test('changes nothing when a reload names a file that cannot be opened', async () => {
  await withLog(async ({ folder, create }) => {
    const log = create({ destinations: to('stderr') });
    const path = folder.file('missing/log');
    const config = logConfig({ destinations: [{ kind: 'file', path }], types: ['debug'] });

    assert.throws(() => log.configure(config), /cannot open/);
    log.write('error', 'still here');
    await log.close();

    assert.is(linesOf(folder.file('err')).length, 1);
  });
});

test('takes over destinations, types and format at a reload', async () => {
  await withLog(async ({ folder, create }) => {
    const path = folder.file('log');
    const log = create({ destinations: to('stderr') });

    log.write('error', 'one');
    const destinations: LogDestination[] = [{ kind: 'file', path }];
    log.configure(logConfig({ destinations, types: ['debug'], timestamp: false }));
    log.write('error', 'two');
    log.write('debug', 'three');
    await log.close();

    assert.equal(linesOf(path), ['{"level":"debug","event":"three"}']);
    await until('the first line', () => linesOf(folder.file('err')).length === 1);
  });
});

test('tells standard error once when the disk of a log file is full', async () => {
  await withLog(async ({ folder, create }) => {
    const log = create({ destinations: [{ kind: 'file', path: '/dev/full' }] });

    log.write('error', 'one');
    await until('the notice', () => linesOf(folder.file('err')).length > 0);
    log.write('error', 'two');
    await log.close();

    const [line, ...more] = linesOf(folder.file('err'));
    assert.equal(more, []);
    const { event, destination, reason } = JSON.parse(line ?? '');
    assert.is(event, 'log destination failed');
    assert.is(destination, 'file');
    assert.match(reason, 'ENOSPC');
  });
});

test('writes to standard error when there is no syslog', async () => {
  await withLog(async ({ folder, create }) => {
    const log = create({ destinations: to('syslog') }, { syslogCommand: '/nonexistent/logger' });

    await until('the notice', () => linesOf(folder.file('err')).length > 0);
    log.write('error', 'important');
    await log.close();

    const events = linesOf(folder.file('err')).map((line) => JSON.parse(line).event);
    assert.equal(events, ['log destination failed', 'important']);
  });
});

test('writes everything at once for a process that is about to end', async () => {
  await withLog(async ({ folder, create }) => {
    const log = create({ destinations: to('stderr'), timestamp: false });

    log.write('notice', 'first');
    log.write('error', 'last');
    log.flushSync();

    assert.match(readFileSync(folder.file('err'), 'utf8'), '{"level":"error","event":"last"}\n');
  });
});

test('holds up nothing when nobody reads standard error', async () => {
  const module = new URL('../../src/ops/log.js', import.meta.url).href;
  const clock = new URL('../../src/base/clock.js', import.meta.url).href;
  const script = `
    import { createLog } from '${module}';
    import { systemClock } from '${clock}';
    const config = ${JSON.stringify(logConfig({ destinations: to('stderr') }))};
    const log = createLog(config, { clock: systemClock, publish: () => undefined });
    const reason = 'x'.repeat(500);
    for (let count = 0; count < 5_000; count++) log.write('error', 'e', { reason, count });
    setImmediate(async () => {
      console.log('alive');
      await log.close();
      process.exit(0);
    });
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  try {
    const exited = once(child, 'exit');
    const [alive] = await untilEvent(child.stdout, 'data', { deadlineMs: 20_000 });
    assert.is(String(alive), 'alive\n');
    const [code] = await within('the exit', exited, { deadlineMs: 20_000 });
    assert.is(code, 0);
  } finally {
    child.kill('SIGKILL');
  }
});

test('is silent and off after it was closed', async () => {
  await withLog(async ({ folder, create }) => {
    const log = create({ destinations: to('stderr') });

    await log.close();
    log.write('error', 'late');

    assert.not(log.enabled('error'));
    assert.equal(linesOf(folder.file('err')), []);
  });
});

test.run();
