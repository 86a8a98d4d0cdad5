import { closeSync, openSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type LineFiles,
  LineSink,
  PENDING_CHARS_MAX,
  unblockedDescriptor,
} from '../../src/ops/line-sink.js';
import { withTempFolder } from '../support/temp.js';
import { until, within } from '../support/until.js';
import { linesOf } from './support.js';

const test = suite('line sink');

type Done = (error: Error | null, written: number) => void;

/** A file that answers when the test says so. */
class SlowFiles implements LineFiles {
  readonly closed: number[] = [];
  readonly descriptors: number[] = [];
  text = '';
  private pending: { readonly bytes: Buffer; readonly done: Done } | null = null;

  get isWriting(): boolean {
    return this.pending !== null;
  }

  write(fd: number, bytes: Buffer, at: number, length: number, done: Done): void {
    assert.not(this.isWriting, 'one write at a time');
    this.descriptors.push(fd);
    this.pending = { bytes: bytes.subarray(at, at + length), done };
  }

  writeSync(_fd: number, bytes: Buffer, at: number, length: number): number {
    this.text += bytes.toString('utf8', at, at + length);
    return length;
  }

  closeSync(fd: number): void {
    this.closed.push(fd);
  }

  /** The write takes `count` bytes; default: all of them. */
  succeed(count?: number): void {
    const { bytes, done } = this.take();
    const written = count ?? bytes.length;
    this.text += bytes.toString('utf8', 0, written);
    done(null, written);
  }

  fail(code: string): void {
    this.take().done(Object.assign(new Error(`${code}: test`), { code }), 0);
  }

  private take(): { readonly bytes: Buffer; readonly done: Done } {
    assert.ok(this.pending !== null, 'a write is going on');
    const pending = this.pending!;
    this.pending = null;
    return pending;
  }
}

function rig() {
  const files = new SlowFiles();
  const troubles: string[] = [];
  const sink = new LineSink(7, {
    files,
    onTrouble: (message) => troubles.push(message),
    lostLine: (count) => `lost ${count}\n`,
  });
  return { files, troubles, sink };
}

test('writes what came during a write with the next one', () => {
  const { files, sink } = rig();

  sink.write('a\n');
  sink.write('b\n');
  sink.write('c\n');
  files.succeed();
  assert.is(files.text, 'a\n');
  files.succeed();

  assert.is(files.text, 'a\nb\nc\n');
  assert.not(files.isWriting);
});

test('goes on after a partial write', () => {
  const { files, sink } = rig();

  sink.write('abc\n');
  files.succeed(1);
  files.succeed(2);
  files.succeed();

  assert.is(files.text, 'abc\n');
});

test('loses and counts lines when the reader does not keep up', () => {
  const { files, sink, troubles } = rig();
  const long = `${'x'.repeat(PENDING_CHARS_MAX / 2 - 1)}\n`;

  sink.write('first\n');
  for (let count = 0; count < 5; count++) sink.write(long);
  files.succeed();
  files.succeed();

  assert.is(files.text, `first\n${long}${long}lost 3\n`);
  assert.equal(troubles, []);
});

test('says once that the reader is gone, and lives on', () => {
  const { files, sink, troubles } = rig();

  sink.write('a\n');
  files.fail('EPIPE');
  sink.write('b\n');
  sink.write('c\n');

  assert.not(files.isWriting);
  assert.equal(troubles, ['EPIPE: test']);
});

test('says once that the disk is full, tries on, and counts what was lost', () => {
  const { files, sink, troubles } = rig();

  sink.write('a\n');
  sink.write('b\n');
  files.fail('ENOSPC');
  sink.write('c\n');
  files.fail('ENOSPC');
  sink.write('d\n');
  files.succeed();
  assert.is(files.text, 'd\nlost 3\n');

  assert.equal(troubles, ['ENOSPC: test']);
  sink.write('e\n');
  files.fail('ENOSPC');
  assert.is(troubles.length, 2);
});

test('begins a new line after one that was cut off by a full disk', () => {
  const { files, sink } = rig();

  sink.write('abc\n');
  files.succeed(2);
  files.fail('ENOSPC');
  sink.write('d\n');
  files.succeed();

  assert.is(files.text, 'ab\nd\nlost 1\n');
});

test('waits and tries again when the descriptor is busy', async () => {
  const { files, sink, troubles } = rig();

  sink.write('a\n');
  files.fail('EAGAIN');
  await until('another try', () => files.isWriting);
  files.succeed();

  assert.is(files.text, 'a\n');
  assert.equal(troubles, []);
});

test('goes on with another descriptor after the write that is going on', () => {
  const { files, sink } = rig();

  sink.write('a\n');
  sink.replace(9);
  assert.equal(files.closed, []);
  files.succeed();
  assert.equal(files.closed, [7]);
  sink.write('b\n');
  files.succeed();

  assert.equal(files.descriptors, [7, 9]);
});

test('works again with another descriptor after its reader had gone', () => {
  const { files, sink } = rig();

  sink.write('a\n');
  files.fail('EPIPE');
  sink.write('b\n');
  sink.replace(9);
  sink.write('c\n');
  files.succeed();

  assert.is(files.text, 'c\nlost 2\n');
});

test('never closes the standard descriptors', async () => {
  const files = new SlowFiles();
  const sink = new LineSink(2, { files, onTrouble: () => undefined, lostLine: () => '' });

  await sink.close();

  assert.equal(files.closed, []);
});

test('writes everything before it closes', async () => {
  const { files, sink } = rig();

  sink.write('a\n');
  sink.write('b\n');
  const closed = sink.close();
  files.succeed();
  files.succeed();
  await within('the close', closed);

  assert.is(files.text, 'a\nb\n');
  assert.equal(files.closed, [7]);
});

test('closes in bounded time when nobody reads', async () => {
  const { files, sink } = rig();

  sink.write('a\n');
  await within('the close', sink.close(), { deadlineMs: 3_000 });

  assert.ok(files.isWriting);
  assert.equal(files.closed, [], 'the number is still in use');
});

test('writes what waits at once when the process is about to end', () => {
  const { files, sink } = rig();

  sink.write('a\n');
  sink.write('b\n');
  sink.flushSync();

  assert.is(files.text, 'a\nb\n');
});

test('writes to a real file', async () => {
  await withTempFolder(async (folder) => {
    const path = folder.file('log');
    const troubles: string[] = [];
    const sink = new LineSink(openSync(path, 'a'), {
      onTrouble: (message) => troubles.push(message),
      lostLine: String,
    });
    for (let count = 0; count < 1_000; count++) sink.write(`line ${count} ü\n`);
    await sink.close();

    const lines = linesOf(path);
    assert.is(lines.length, 1_000);
    assert.is(lines[999], 'line 999 ü');
    assert.equal(troubles, []);
  });
});

test('reports a full device', async () => {
  const troubles: string[] = [];
  const sink = new LineSink(openSync('/dev/full', 'w'), {
    onTrouble: (message) => troubles.push(message),
    lostLine: String,
  });

  sink.write('a\n');
  await until('the error', () => troubles.length > 0);
  await sink.close();

  assert.match(troubles[0] ?? '', 'ENOSPC');
});

test('opens a standard descriptor anew only where that is of use', () => {
  const fd = unblockedDescriptor(1);

  assert.ok(fd === 1 || fd > 2);
  if (fd > 2) closeSync(fd);
});

test.run();
