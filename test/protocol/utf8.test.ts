import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { illFormedTexts } from '../../conformance/raw/bytes.js';
import { isUtf8Payload, isWellFormed } from '../../src/protocol/utf8.js';
import { text } from './support/arbitraries.js';
import { forAll } from './support/for-all.js';

const test = suite('utf-8');
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The oracle: what the platform decodes. */
function decodes(bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch (error) {
    assert.instance(error, TypeError);
    return false;
  }
}

/** Asks with the bytes alone, and between others that would change the answer if they were read. */
function ask(bytes: Uint8Array): { text: boolean; payload: boolean } {
  const before = Buffer.of(0xf0, 0x9f, 0);
  const after = Buffer.of(0x80, 0xbf, 0, 0xff);
  const framed = Buffer.concat([before, bytes, after]);
  const end = before.length + bytes.length;
  const answer = {
    text: isWellFormed(framed, before.length, end),
    payload: isUtf8Payload(framed, before.length, end),
  };
  const alone = Buffer.from(bytes);
  assert.is(isWellFormed(alone, 0, alone.length), answer.text);
  assert.is(isUtf8Payload(alone, 0, alone.length), answer.payload);
  return answer;
}

const goodTexts: readonly string[] = [
  '',
  'a',
  'sensors/temperature',
  '\u007f',
  '\u0080',
  '\u07ff\u0800\ud7ff\ue000\uffff',
  '\u{10000}\u{10ffff}',
  '\ufeffBOM stays [MQTT-1.5.4-3]',
  'noncharacters \ufdd0 \ufffe',
  'controls \u0001 \u001f \u009f',
  'längere Texte 漢字 😀',
];

for (const text of goodTexts) {
  test(`${JSON.stringify(text)} is well-formed`, () => {
    assert.equal(ask(Buffer.from(text)), { text: true, payload: true });
  });
}

for (const [what, bytes] of illFormedTexts) {
  test(`${what} is ill-formed [MQTT-1.5.4-1]`, () => {
    assert.equal(ask(bytes), { text: false, payload: false });
  });
}

test('U+0000 is refused in a string and allowed in a payload [MQTT-1.5.4-2]', () => {
  for (const text of ['\0', 'a\0', '\0a', 'ä\0', '\0ä', 'a\0ä', 'aaaaaaaaaaaaaaaa\0ä']) {
    assert.equal(ask(Buffer.from(text)), { text: false, payload: true });
  }
});

test('each lone surrogate is refused [MQTT-1.5.4-1]', () => {
  for (let code = 0xd800; code <= 0xdfff; code++) {
    const bytes = Buffer.of(0xe0 | (code >>> 12), 0x80 | ((code >>> 6) & 63), 0x80 | (code & 63));
    assert.equal(ask(bytes), { text: false, payload: false });
  }
});

/** Bytes that are interesting next to one another: borders of the lead and trail ranges. */
const borderBytes = fc.constantFrom(
  ...[0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1],
  ...[0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff],
);

test('any bytes are judged as TextDecoder judges them', () => {
  const bytes = fc.oneof(
    fc.array(borderBytes, { maxLength: 8 }).map((list) => Uint8Array.from(list)),
    fc.uint8Array({ maxLength: 8 }),
    text().map((sample) => new Uint8Array(Buffer.from(sample))),
  );
  forAll(
    bytes,
    (sample) => {
      const isDecoded = decodes(sample);
      assert.equal(ask(sample), { text: isDecoded && !sample.includes(0), payload: isDecoded });
    },
    { runs: 2_000 },
  );
});

test.run();
