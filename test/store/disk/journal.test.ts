/** The journal: frames, segments that are used again, turns that were cut short, damage. */
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32, slowCrc32 } from '../../../src/store/disk/checksum.js';
import { FRAME_HEADER_BYTES } from '../../../src/store/disk/frame.js';
import { Journal } from '../../../src/store/disk/journal.js';
import { openSegmentFile } from '../../../src/store/disk/segment-file.js';
import { TurnWriter } from '../../../src/store/disk/turn-writer.js';
import { type TempFolder, withTempFolder } from '../../support/temp.js';

const MIB = 1024 * 1024;
const key = '0123456789a';

const test = suite('journal');

test('turns are read as they were written, over segments', () =>
  withTempFolder(async (temp) => {
    const journal = await begun(temp, 1);
    await append(journal, ['a']);
    await append(journal, ['b', 'c']);
    await journal.begin(2);
    await append(journal, ['d']);
    await journal.close();

    const content = await journalIn(temp).load(1);

    assert.equal(content.turns.map(valuesOf), [['a'], ['b', 'c'], ['d']]);
    assert.equal([content.lastSegment, content.isTorn, content.damaged], [2, false, null]);
    assert.equal((await journalIn(temp).load(2)).turns.map(valuesOf), [['d']]);
  }));

test('a turn larger than a slab is several frames, and one turn', () =>
  withTempFolder(async (temp) => {
    const journal = await begun(temp, 1);
    const values = Array.from({ length: 5 }, (_, index) => String(index).repeat(400_000));
    await append(journal, [...values, 'x'.repeat(3 * MIB)]);
    await append(journal, ['after']);
    await journal.close();

    const { turns } = await journalIn(temp).load(1);

    assert.ok(turns[0]!.length > 2);
    assert.equal(turns.map(valuesOf), [[...values, 'x'.repeat(3 * MIB)], ['after']]);
  }));

test('a turn that was cut short anywhere did not happen, and those before it did', () =>
  withTempFolder(async (temp) => {
    const journal = await begun(temp, 1);
    await append(journal, ['whole']);
    const start = journal.position;
    await append(journal, ['y'.repeat(900_000), 'z'.repeat(900_000)]);
    const end = journal.position;
    await journal.close();
    const path = onlySegment(temp);
    const file = readFileSync(path);

    for (const length of [start + 1, start + FRAME_HEADER_BYTES, start + 950_000, end - 1]) {
      writeFileSync(path, file.subarray(0, length));
      const { turns, damaged, isTorn } = await journalIn(temp).load(1);
      assert.equal(turns.map(valuesOf), [['whole']]);
      assert.is(damaged, null);
      assert.is(isTorn, length > start + 1, String(length - start));
    }
    for (const at of [start + 4, start + 8, start + 12, start + 100, end - 1]) {
      const broken = Buffer.from(file);
      broken[at] = broken[at]! ^ 1;
      writeFileSync(path, broken);
      assert.equal((await journalIn(temp).load(1)).turns.map(valuesOf), [['whole']]);
    }
  }));

test('damage in any but the last segment is told, for what follows was safe', () =>
  withTempFolder(async (temp) => {
    const journal = await begun(temp, 1);
    await append(journal, ['a']);
    await journal.begin(2);
    await append(journal, ['b']);
    await journal.close();
    const path = temp.file('journal-00000001.log');
    const sound = readFileSync(path);
    const broken = Buffer.from(sound);
    broken[FRAME_HEADER_BYTES + 3] = 0xff;

    for (const content of [broken, Buffer.alloc(sound.length), Buffer.alloc(0)]) {
      writeFileSync(path, content);
      assert.is((await journalIn(temp).load(1)).damaged, path);
      assert.is((await journalIn(temp).load(2)).damaged, null);
    }
  }));

test('a segment that is missing is told', () =>
  withTempFolder(async (temp) => {
    const journal = await begun(temp, 1);
    for (const segment of [2, 4]) {
      await append(journal, ['a']);
      await journal.begin(segment);
    }
    await append(journal, ['b']);
    await journal.close();

    assert.is((await journalIn(temp).load(1)).damaged, temp.file('journal-00000003.log'));
  }));

test('a file is used again, and what an earlier segment left in it is not read', () =>
  withTempFolder(async (temp) => {
    const journal = await begun(temp, 1);
    await append(journal, ['old'.repeat(1_000), 'older']);
    await append(journal, ['oldest']);
    await journal.begin(2);
    await journal.release(1, 100 * MIB);
    await append(journal, ['two']);
    await journal.begin(3);
    await append(journal, ['three']);
    await journal.close();

    assert.is(existsSync(temp.file('journal-00000001.log')), false);
    const { turns, isTorn, damaged } = await journalIn(temp).load(2);
    assert.equal(turns.map(valuesOf), [['two'], ['three']]);
    assert.equal([isTorn, damaged], [false, null]);
  }));

test('a file that has grown too large is not used again', () =>
  withTempFolder(async (temp) => {
    const journal = await begun(temp, 1);
    await append(journal, ['x'.repeat(MIB)]);
    await journal.begin(2);
    await journal.release(1, MIB);
    await journal.close();

    assert.equal(readdirSync(temp.path), ['journal-00000002.log']);
  }));

test('a file shorter than its position is filled up again', () =>
  withTempFolder(async (temp) => {
    const first = await begun(temp, 1);
    await append(first, ['a']);
    await first.close();
    truncateSync(onlySegment(temp), 10);
    const journal = await begun(temp, 1);
    await append(journal, ['b']);
    await journal.close();

    assert.equal((await journalIn(temp).load(1)).turns.map(valuesOf), [['b']]);
  }));

test('an empty file, and one that is not a segment, have no turns', () =>
  withTempFolder(async (temp) => {
    for (const content of ['', 'x', 'x'.repeat(1_000)]) {
      temp.write('journal-00000001.log', content);
      assert.equal(await journalIn(temp).load(1), {
        turns: [],
        lastSegment: 1,
        isTorn: false,
        damaged: null,
      });
    }
  }));

test('a segment larger than what is read at once is read', () =>
  withTempFolder(async (temp) => {
    const journal = await begun(temp, 1);
    const values = Array.from({ length: 12 }, (_, index) => String(index % 10).repeat(700_000));
    for (const value of values) await append(journal, [value, 'small']);
    await append(journal, ['x'.repeat(6 * MIB)]);
    await journal.close();

    const { turns } = await journalIn(temp).load(1);

    const expected = [...values.map((value) => [value, 'small']), ['x'.repeat(6 * MIB)]];
    assert.ok(JSON.stringify(turns.map(valuesOf)) === JSON.stringify(expected));
  }));

test('the checksum is that of zlib', () => {
  const bytes = Buffer.from('123456789');

  assert.is(crc32(bytes), 0xcbf4_3926);
  assert.is(slowCrc32(bytes), 0xcbf4_3926);
  assert.is(slowCrc32(Buffer.alloc(1_000, 7)), crc32(Buffer.alloc(1_000, 7)));
});

function journalIn(temp: TempFolder): Journal {
  return new Journal({ folder: temp.path, syncsWrites: false, openFile: openSegmentFile });
}

async function begun(temp: TempFolder, segment: number): Promise<Journal> {
  const journal = journalIn(temp);
  await journal.begin(segment);
  return journal;
}

const turn = new TurnWriter();

async function append(journal: Journal, values: readonly string[]): Promise<void> {
  for (const value of values) turn.put(key, Buffer.from(value));
  const { length } = turn;
  await journal.append(turn.seal(journal.segment), length);
}

/** The values of `put` operations. */
function valuesOf(bodies: readonly Buffer[]): string[] {
  const values: string[] = [];
  for (const body of bodies) {
    for (let at = 0; at < body.length; ) {
      const valueAt = at + 5 + key.length;
      at = valueAt + body.readUInt32BE(at + 1);
      values.push(body.toString('latin1', valueAt, at));
    }
  }
  return values;
}

function onlySegment(temp: TempFolder): string {
  const names = readdirSync(temp.path);
  assert.is(names.length, 1);
  return temp.file(names[0]!);
}

test.run();
