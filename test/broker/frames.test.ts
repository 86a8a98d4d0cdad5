/** Frames that many connections share are what each of them would have got for itself. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Block } from '../../src/base/block.js';
import { FrameCache } from '../../src/broker/frames.js';
import type { Message } from '../../src/protocol/message.js';
import {
  noExtras,
  packetSize,
  publishRemainingLength,
  writePublish,
} from '../../src/protocol/publish-writer.js';
import { messageTo } from './support/builders.js';

const test = suite('frame cache');

interface Variant {
  readonly qos: number;
  readonly retain: boolean;
  readonly isV5: boolean;
}

function encode(message: Message, { qos, retain, isV5 }: Variant, id: number): Buffer {
  const remaining = publishRemainingLength(message, qos, isV5, noExtras);
  const block = Block.allocate(packetSize(remaining));
  writePublish(block, 0, message, remaining, qos, retain, false, id, isV5, noExtras, 0);
  return block.bytes;
}

function framed(cache: FrameCache, message: Message, variant: Variant, id: number): Buffer {
  const { qos, retain, isV5 } = variant;
  const frame = cache.get(message, qos, retain, isV5, 0);
  const bytes = Buffer.from(frame.bytes);
  assert.is(frame.packetIdAt < 0, qos === 0);
  if (qos > 0) bytes.writeUInt16BE(id, frame.packetIdAt);
  return bytes;
}

const variants: Variant[] = [0, 1, 2].flatMap((qos) =>
  [false, true].flatMap((retain) => [false, true].map((isV5) => ({ qos, retain, isV5 }))),
);

test('every variant of every size is encoded as for one recipient', () => {
  const sizes = fc.constantFrom(0, 1, 100, 127, 128, 16_383, 20_000, 65_000, 70_000);
  fc.assert(
    fc.property(fc.array(sizes, { minLength: 1, maxLength: 4 }), (list) => {
      const cache = new FrameCache();
      for (const size of list) {
        const message = messageTo(`topic/${size}`, 'x'.repeat(size));
        cache.reset();
        for (const variant of [...variants, ...variants]) {
          const expected = encode(message, variant, 0x1234);
          assert.ok(framed(cache, message, variant, 0x1234).equals(expected));
        }
      }
    }),
    { numRuns: 20 },
  );
});

test('a variant is encoded once', () => {
  const cache = new FrameCache();
  const message = messageTo('a', 'x');
  cache.reset();
  const first = cache.get(message, 1, false, true, 0);
  assert.is(cache.get(message, 1, false, true, 0), first);
  assert.is.not(cache.get(message, 1, false, false, 0), first);
});

test('a message never goes out in the frame of the one before it', () => {
  const cache = new FrameCache();
  const [first, second] = [messageTo('a', 'first'), messageTo('a', 'second')];
  const variant = { qos: 1, retain: false, isV5: true };
  cache.reset();
  framed(cache, first, variant, 1);
  cache.reset();
  assert.ok(framed(cache, second, variant, 1).equals(encode(second, variant, 1)));
});

test('a message that comes between others of the same turn does not take their frames', () => {
  const cache = new FrameCache();
  const [outer, inner] = [messageTo('a', 'outer'), messageTo('a', 'inner')];
  const variant = { qos: 0, retain: false, isV5: true };
  cache.reset();
  framed(cache, outer, variant, 1);
  cache.reset();
  assert.ok(framed(cache, inner, variant, 1).equals(encode(inner, variant, 1)));
  assert.ok(framed(cache, outer, variant, 1).equals(encode(outer, variant, 1)));
});

test.run();
