/** Records: every message comes back as it was, and bytes that are none are an error. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerError } from '../../src/base/errors.js';
import { decodeRecord, encodeRecord, type RecordParts, sourceOf } from '../../src/store/record.js';

const test = suite('record');

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const text = fc.string({ maxLength: 100, unit: 'grapheme' });

const parts: fc.Arbitrary<RecordParts> = fc
  .record({
    topic: text,
    qos: fc.constantFrom(0, 1, 2),
    retain: fc.boolean(),
    isV5: fc.boolean(),
    ids: fc.option(fc.array(fc.integer({ min: 1, max: 268_435_455 }), { minLength: 1 })),
    sharedFilter: text,
    publisherId: fc.option(text),
    expiresAtMs: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
    expiryAt: fc.nat(),
    properties: bytes(100),
    payload: bytes(200),
  })
  .map(({ expiresAtMs, expiryAt, ...rest }) => {
    const expires = expiresAtMs !== null;
    const places = rest.properties.length - 3;
    return {
      ...rest,
      expiresAtMs: expiresAtMs ?? Number.POSITIVE_INFINITY,
      expiryAt: expires && places > 0 ? expiryAt % places : -1,
    };
  });

const encodeParts = (given: RecordParts): Buffer => encodeRecord(sourceOf(given));

const example = encodeParts({
  topic: 'a/b',
  qos: 2,
  retain: true,
  isV5: true,
  ids: [1, 268_435_455],
  sharedFilter: '$share/g/a/#',
  publisherId: 'someone',
  expiresAtMs: 1_700_000_000_000.5,
  expiryAt: 1,
  properties: Buffer.from([2, 0, 0, 0, 9]),
  payload: Buffer.from('hello'),
});

/** What came of bytes that may be damaged: anything but a `BrokerError` is thrown. */
function attempt(damaged: Buffer): RecordParts | null {
  try {
    return decodeRecord(damaged);
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'RECORD_INVALID') return null;
    throw error;
  }
}

test('what is encoded is decoded as it was', () => {
  fc.assert(
    fc.property(parts, (given) => {
      const { properties, payload, ...rest } = decodeRecord(encodeParts(given));
      assert.equal(rest, {
        topic: given.topic,
        qos: given.qos,
        retain: given.retain,
        isV5: given.isV5,
        ids: given.ids,
        sharedFilter: given.sharedFilter,
        publisherId: given.publisherId,
        expiresAtMs: given.expiresAtMs,
        expiryAt: given.expiryAt,
      });
      assert.ok(properties.equals(given.properties) && payload.equals(given.payload));
    }),
    { numRuns: 1_000 },
  );
});

test('at most 255 Subscription Identifiers are kept', () => {
  const given = { ...decodeRecord(example), ids: Array.from({ length: 300 }, (_, n) => n + 1) };
  const { ids, payload } = decodeRecord(encodeParts(given));
  assert.equal(ids, given.ids.slice(0, 255));
  assert.is(payload.toString(), 'hello');
});

test('a cut before the payload is an error; what is cut from the payload is not seen', () => {
  const payloadStart = example.length - 5;
  for (let length = 0; length < example.length; length++) {
    const found = attempt(example.subarray(0, length));
    if (length < payloadStart) assert.is(found, null, `cut at ${length}`);
    else assert.is(found!.payload.toString(), 'hello'.slice(0, length - payloadStart));
  }
});

test('every bit that is wrong gives an error, or a record that can be encoded', () => {
  for (let at = 0; at < example.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const damaged = Buffer.from(example);
      damaged[at]! ^= 1 << bit;
      const found = attempt(damaged);
      if (found !== null) checkUsable(found);
    }
  }
});

test('any bytes at all give an error, or a record that can be encoded', () => {
  fc.assert(
    fc.property(bytes(80), fc.boolean(), (random, isVersionRight) => {
      if (isVersionRight && random.length > 0) random[0] = 1;
      const found = attempt(random);
      if (found !== null) checkUsable(found);
    }),
    { numRuns: 5_000 },
  );
});

test('a record of another version says so', () => {
  const later = Buffer.from(example);
  later[0] = 2;
  assert.throws(
    () => decodeRecord(later),
    (error: Error) => /format 2; this broker knows format 1/.test(error.message),
  );
});

test('values that would break a packet are errors', () => {
  const { ids: _, ...rest } = decodeRecord(example);
  const wrong: RecordParts[] = [
    { ...rest, ids: [0] },
    { ...rest, ids: [268_435_456] },
    { ...rest, ids: null, qos: 3 },
    { ...rest, ids: null, expiresAtMs: Number.NaN },
    { ...rest, ids: null, expiryAt: 2 },
  ];
  for (const one of wrong) assert.is(attempt(encodeParts(one)), null);
});

function checkUsable(found: RecordParts): void {
  assert.ok(found.qos <= 2);
  assert.ok(found.expiryAt < 0 || found.expiryAt + 4 <= found.properties.length);
  const again = decodeRecord(encodeParts(found));
  assert.ok(again.payload.equals(found.payload));
}

test.run();
