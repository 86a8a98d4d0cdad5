import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  FRAME_HEAD_BYTES,
  type Frame,
  type FrameItem,
  itemBytes,
  readFrame,
  writeFrame,
} from '../../../../src/store/redis/fabric/frames.js';

const test = suite('frames');
const writer = Buffer.from('x7Fk2mQ9');

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const whole = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const record = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const mark = fc.option(fc.record({ publisherId: text, birth: whole, number: whole }));
const item: fc.Arbitrary<FrameItem> = fc.oneof(
  fc.record({ kind: fc.constant('publish' as const), record, mark }),
  fc.record({ kind: fc.constant('publishTo' as const), clientId: text, record, mark }),
  fc.record({
    kind: fc.constant('appended' as const),
    clientId: text,
    endSeq: whole,
    dropped: fc.array(fc.integer({ min: 0, max: 2 ** 48 - 1 }), { maxLength: 5 }),
    records: fc.array(record, { maxLength: 5 }),
  }),
  fc.record({ kind: fc.constant('claimed' as const), clientId: text, epoch: whole }),
  fc.record({
    kind: fc.constant('applied' as const),
    shard: fc.integer({ min: 0, max: 255 }),
    call: whole,
  }),
  fc.constant({ kind: 'look' as const }),
  fc.record({ kind: fc.constant('lastWill' as const), clientId: text, info: record, will: record }),
  fc.record({ kind: fc.constant('note' as const), number: whole }),
);

function encode(items: readonly FrameItem[], number: number): Buffer {
  const size = items.reduce((sum, one) => sum + itemBytes(one), FRAME_HEAD_BYTES);
  const bytes = Buffer.alloc(size + 7, 0xee);
  assert.is(writeFrame(bytes, 3, writer, number, items), 3 + size);
  return bytes.subarray(3, 3 + size);
}

function plain({ items, ...rest }: Frame): unknown {
  return { ...rest, items: JSON.parse(JSON.stringify(items)) };
}

test('what is written is what is read, and takes the bytes that were promised', async () => {
  await fc.assert(
    fc.property(
      fc.array(item, { maxLength: 8 }),
      fc.integer({ min: 0, max: 2 ** 40 }),
      (items, n) => {
        const frame = readFrame(encode(items, n));

        assert.ok(typeof frame !== 'string');
        const expected: Frame = { writer: String(writer), number: n, items, unknown: 0 };
        assert.equal(plain(frame), plain(expected));
      },
    ),
  );
});

test('a frame that is cut off anywhere but between items is damaged', async () => {
  await fc.assert(
    fc.property(fc.array(item, { minLength: 1, maxLength: 4 }), fc.nat(), (items, cut) => {
      const bytes = encode(items, 1);
      const borders = new Set([FRAME_HEAD_BYTES]);
      items.reduce((at, one) => {
        borders.add(at + itemBytes(one));
        return at + itemBytes(one);
      }, FRAME_HEAD_BYTES);
      const length = cut % bytes.length;
      const frame = readFrame(bytes.subarray(0, length));

      if (borders.has(length)) assert.ok(typeof frame !== 'string');
      else if (length === 0) assert.is(frame, 'empty');
      else assert.match(String(frame), /^damaged: /);
    }),
  );
});

test('bytes that are no frame never throw', async () => {
  const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from([1, ...bytes]));
  await fc.assert(
    fc.property(noise, (bytes) => {
      readFrame(bytes);
    }),
  );
  await fc.assert(
    fc.property(fc.array(item, { maxLength: 4 }), fc.nat(), fc.nat(255), (items, at, byte) => {
      const bytes = Buffer.from(encode(items, 1));
      bytes[at % bytes.length] = byte;
      readFrame(bytes);
    }),
  );
});

test('a frame of another version is passed over as a whole', () => {
  const bytes = Buffer.from(encode([{ kind: 'look' }], 1));
  bytes[0] = 2;

  assert.is(readFrame(bytes), 'of version 2, this broker knows 1');
});

test('an item of an unknown kind, and what a later version adds to one, are passed over', () => {
  const later = Buffer.concat([Buffer.from([99, 0, 0, 0, 3]), Buffer.from('new')]);
  const longer = Buffer.concat([
    Buffer.from([5, 0, 0, 0, 11, 2]),
    Buffer.alloc(8),
    Buffer.of(7, 7),
  ]);
  const frame = readFrame(Buffer.concat([encode([], 5), later, longer, encodeItem('look')]));

  assert.ok(typeof frame !== 'string');
  assert.is(frame.unknown, 1);
  assert.equal(frame.items, [{ kind: 'applied', shard: 2, call: 0 }, { kind: 'look' }]);
});

function encodeItem(kind: 'look'): Buffer {
  return encode([{ kind }], 1).subarray(FRAME_HEAD_BYTES);
}

test.run();
