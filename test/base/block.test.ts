import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Block, copyBytes, Slab } from '../../src/base/block.js';

const lengthMax = 600;
const untouched = 0xa5;

const test = suite('block');

/** Bytes that tell where they come from. */
function pattern(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (at * 151 + (at >>> 8)) & 0xff));
}

test('a block and its view show the same bytes, also in a slice of a larger buffer', () => {
  const buffer = pattern(64);
  const block = new Block(buffer.subarray(13, 40));
  assert.is(block.view.byteLength, 27);
  assert.is(block.view.getUint8(0), buffer[13]);

  block.view.setUint16(3, 0xbeef);

  assert.is(buffer.readUInt16BE(16), 0xbeef);
});

test('an allocated block has a memory of its own', () => {
  const block = Block.allocate(100);
  assert.is(block.bytes.length, 100);
  assert.is(block.bytes.buffer.byteLength, 100);
});

test('copyBytes copies every length at every alignment and nothing more', () => {
  const source = new Block(pattern(lengthMax + 8));
  const target = new Block(Buffer.alloc(lengthMax + 24, untouched));
  for (let length = 0; length <= lengthMax; length++) {
    for (let from = 0; from < 8; from += 1 + (length & 1)) {
      const at = 8 + ((length + from * 3) & 7);

      copyBytes(target, at, source, from, from + length);

      const wanted = source.bytes.subarray(from, from + length);
      assert.ok(target.bytes.subarray(at, at + length).equals(wanted), `${length} from ${from}`);
      const isClean =
        target.bytes.subarray(0, at).every((byte) => byte === untouched) &&
        target.bytes.subarray(at + length).every((byte) => byte === untouched);
      assert.ok(isClean, `${length} from ${from} to ${at} touched its neighbours`);
      target.bytes.fill(untouched);
    }
  }
});

test('copyBytes fills a target to its last byte', () => {
  for (const length of [1, 3, 4, 5, 255, 256, 257, 600]) {
    const target = Block.allocate(length);
    copyBytes(target, 0, new Block(pattern(length)), 0, length);
    assert.ok(target.bytes.equals(pattern(length)));
  }
});

test('a slab hands out runs that do not overlap', () => {
  const slab = new Slab(1024);
  const runs: { block: Block; offset: number; size: number }[] = [];
  for (const size of [0, 1, 255, 256, 7, 256, 256, 256, 256, 3, 1]) {
    slab.take(size);
    runs.push({ block: slab.block, offset: slab.offset, size });
  }
  runs.forEach(({ block, offset, size }, id) => {
    block.bytes.fill(id, offset, offset + size);
  });
  runs.forEach(({ block, offset, size }, id) => {
    assert.ok(offset + size <= block.bytes.length);
    assert.ok(block.bytes.subarray(offset, offset + size).every((byte) => byte === id));
  });
  assert.is(new Set(runs.map(({ block }) => block)).size, 2);
});

test('a slab opens a new block when the rest of the old one is too small', () => {
  const slab = new Slab(100);
  slab.take(25);
  const first = slab.block;
  for (let run = 0; run < 3; run++) slab.take(25);
  assert.is(slab.block, first);
  assert.is(slab.offset, 75);

  slab.take(1);

  assert.is.not(slab.block, first);
  assert.is(slab.offset, 0);
});

test('a run of more than a quarter of a block gets a block of its own', () => {
  const slab = new Slab(100);
  slab.take(10);
  const shared = slab.block;

  slab.take(26);
  assert.is.not(slab.block, shared);
  assert.is(slab.block.bytes.length, 26);
  assert.is(slab.offset, 0);

  slab.take(10);
  assert.is(slab.block, shared);
  assert.is(slab.offset, 10);
});

test.run();
