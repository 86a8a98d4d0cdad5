/** `logger` is played by a script that writes down what it gets. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogEntry } from '../../src/ops/log-entry.js';
import { SyslogDestination } from '../../src/ops/syslog-destination.js';
import { type TempFolder, withTempFolder } from '../support/temp.js';
import { until } from '../support/until.js';
import { entry, linesOf } from './support.js';

const test = suite('log destination syslog');

function rig(command: string, facility = 3) {
  const troubles: string[] = [];
  const fallen: LogEntry[] = [];
  const destination = new SyslogDestination({
    command,
    facility,
    onTrouble: (message) => troubles.push(message),
    fallback: (one) => fallen.push(one),
  });
  return { troubles, fallen, destination };
}

/** A `logger` that keeps its arguments and its input in files. */
function fakeLogger(folder: TempFolder): string {
  const echo = `echo "$@" > '${folder.file('args')}'`;
  const cat = `cat > '${folder.file('lines')}'`;
  return folder.write('logger', `#!/bin/sh\n${echo}\n${cat}\n`, 0o700);
}

test('hands each line to logger with facility and severity', async () => {
  await withTempFolder(async (folder) => {
    const { destination, troubles, fallen } = rig(fakeLogger(folder), 16);

    destination.write(entry('error', 'e', { clientId: 'a\nb' }));
    destination.write(entry('warning', 'w'));
    destination.write(entry('notice', 'n'));
    destination.write(entry('information', 'i'));
    destination.write(entry('debug', 'd'));
    destination.write(entry('subscribe', 's'));
    await destination.close();

    assert.equal(linesOf(folder.file('lines')), [
      '<131>e clientId="a\\nb"',
      '<132>w',
      '<133>n',
      '<134>i',
      '<135>d',
      '<133>s',
    ]);
    const args = readFileSync(folder.file('args'), 'utf8').trim();
    assert.is(args, `--prio-prefix --tag tidewire --id=${process.pid}`);
    assert.equal([troubles, fallen], [[], []]);
  });
});

test('falls back when there is no logger, and says so once', async () => {
  const { destination, troubles, fallen } = rig('/nonexistent/logger');

  destination.write(entry('error', 'lost'));
  await until('the error', () => troubles.length > 0);
  destination.write(entry('error', 'kept'));
  await destination.close();

  assert.is(troubles.length, 1);
  assert.match(troubles[0] ?? '', /^\/nonexistent\/logger: .*ENOENT.*standard error/);
  assert.equal(
    fallen.map(({ event }) => event),
    ['kept'],
  );
});

test('falls back when logger ends', async () => {
  await withTempFolder(async (folder) => {
    const { destination, troubles, fallen } = rig(
      folder.write('logger', '#!/bin/sh\nexit 3\n', 0o700),
    );

    await until('its end', () => troubles.length > 0);
    destination.write(entry('error', 'kept'));

    assert.match(troubles[0] ?? '', 'it ended with code 3');
    assert.is(fallen.length, 1);
  });
});

test('loses and counts lines when logger does not read', async () => {
  await withTempFolder(async (folder) => {
    const gate = folder.file('gate');
    const wait = `while [ ! -e '${gate}' ]; do sleep 0.02; done`;
    const cat = `cat > '${folder.file('lines')}'`;
    const script = `#!/bin/sh\n${wait}\n${cat}\n`;
    const { destination } = rig(folder.write('logger', script, 0o700));
    const long = 'x'.repeat(500);
    for (let count = 0; count < 4_000; count++) destination.write(entry('notice', long));
    folder.write('gate', '');
    await until('room', () => {
      destination.write(entry('notice', 'last'));
      return sizeOf(folder.file('lines')) > 1_000_000;
    });
    destination.write(entry('notice', 'last'));
    await destination.close();

    const lost = linesOf(folder.file('lines')).filter((line) => line.includes('lines lost'));
    assert.ok(lost.length > 0);
    assert.match(lost[0] ?? '', /^<28>log lines lost count=\d+$/);
  });
});

test('does not wait for ever for a logger that does not end', async () => {
  await withTempFolder(async (folder) => {
    const script = '#!/bin/sh\nexec sleep 60\n';
    const { destination } = rig(folder.write('logger', script, 0o700));
    destination.write(entry('notice', 'n'));
    const startedAtMs = performance.now();

    await destination.close();

    assert.ok(performance.now() - startedAtMs < 4_000);
  });
});

function sizeOf(path: string): number {
  try {
    return readFileSync(path).length;
  } catch (error) {
    if (error instanceof Error) return 0;
    throw error;
  }
}

test.run();
