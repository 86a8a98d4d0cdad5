import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { varint } from '../../conformance/raw/bytes.js';
import {
  INCOMPLETE,
  OVERLONG,
  readVariableByteInteger,
  VARIABLE_BYTE_INTEGER_MAX,
  variableByteIntegerSize,
  writeVariableByteInteger,
} from '../../src/protocol/variable-byte-integer.js';
import { forAll } from './support/for-all.js';

const test = suite('variable byte integer');

/** Table 1-1 of MQTT 5.0: the ends of each length. */
const boundaries: readonly (readonly [number, string])[] = [
  [0, '00'],
  [1, '01'],
  [127, '7f'],
  [128, '8001'],
  [16_383, 'ff7f'],
  [16_384, '808001'],
  [2_097_151, 'ffff7f'],
  [2_097_152, '80808001'],
  [268_435_455, 'ffffff7f'],
];

function write(value: number): Buffer {
  const target = Buffer.alloc(8, 0xa5);
  const end = writeVariableByteInteger(target, 2, value);
  assert.equal(target.subarray(0, 2), Buffer.alloc(2, 0xa5));
  assert.equal(target.subarray(end), Buffer.alloc(8 - end, 0xa5));
  return target.subarray(2, end);
}

const read = (hex: string): number => {
  const bytes = Buffer.from(`ff${hex}7f7f7f`, 'hex');
  return readVariableByteInteger(bytes, 1, 1 + hex.length / 2);
};

for (const [value, hex] of boundaries) {
  test(`${value} is ${hex}`, () => {
    assert.is(write(value).toString('hex'), hex);
    assert.is(read(hex), value);
    assert.is(variableByteIntegerSize(value), hex.length / 2);
  });
}

test('the largest value is that of the standard', () => {
  assert.is(VARIABLE_BYTE_INTEGER_MAX, 268_435_455);
});

test('any value is written as the standard’s algorithm writes it and read back', () => {
  forAll(fc.integer({ min: 0, max: VARIABLE_BYTE_INTEGER_MAX }), (value) => {
    const bytes = write(value);
    assert.equal(bytes, varint(value));
    assert.is(readVariableByteInteger(bytes, 0, bytes.length), value);
    assert.is(variableByteIntegerSize(value), bytes.length);
  });
});

test('a value that is cut short is incomplete, whatever stands behind the range', () => {
  for (const [, hex] of boundaries) {
    for (let kept = 0; kept < hex.length; kept += 2)
      assert.is(read(hex.slice(0, kept)), INCOMPLETE);
  }
});

test('a fifth byte makes it overlong, as soon as the fourth says there is one', () => {
  for (const hex of ['80808080', 'ffffffff', '8080808001', 'ffffffff7f', '8080808000']) {
    assert.is(read(hex), OVERLONG);
  }
});

test('a longer form than needed is refused [MQTT-1.5.5-1]', () => {
  for (const value of [0, 1, 127, 128, 16_383, 16_384, 2_097_151]) {
    for (let width = varint(value).length + 1; width <= 4; width++) {
      assert.is(read(varint(value, width).toString('hex')), OVERLONG, `${value} in ${width}`);
    }
  }
});

test('any four bytes give a value, or one of the two errors, as the obvious model says', () => {
  forAll(
    fc.uint8Array({ maxLength: 6 }),
    (bytes) => {
      assert.is(readVariableByteInteger(bytes, 0, bytes.length), model(bytes));
    },
    { runs: 2_000 },
  );
});

function model(bytes: Uint8Array): number {
  const last = bytes.findIndex((byte) => byte < 128);
  if (last < 0) return bytes.length >= 4 ? OVERLONG : INCOMPLETE;
  if (last > 3) return OVERLONG;
  const groups = [...bytes.subarray(0, last + 1)];
  const value = groups.reduce((sum, byte, at) => sum + (byte % 128) * 128 ** at, 0);
  return varint(value).length === groups.length ? value : OVERLONG;
}

test.run();
