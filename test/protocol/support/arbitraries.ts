/** Random parts of packets: texts, topics, properties in any order. */
import * as fc from 'fast-check';
import { type Properties, propertyBytes } from '../../../conformance/raw/properties.js';

/** Any code point but U+0000 and the surrogates, half of them ASCII. */
const character: fc.Arbitrary<string> = fc
  .oneof(
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 0x7f }) },
    { weight: 1, arbitrary: fc.integer({ min: 0x80, max: 0xd7ff }) },
    { weight: 1, arbitrary: fc.integer({ min: 0xe000, max: 0x10ffff }) },
  )
  .map((code) => String.fromCodePoint(code));

/** Well-formed UTF-8 without U+0000. */
export function text(maxLength = 12, minLength = 0): fc.Arbitrary<string> {
  return fc.string({ unit: character, minLength, maxLength });
}

export function binary(maxLength = 20): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));
}

export const topicName: fc.Arbitrary<string> = text(16, 1).map((sample) =>
  sample.replace(/[+#]/g, '/'),
);

const level = fc.oneof(topicName, fc.constant('+'), fc.constant(''));
export const topicFilter: fc.Arbitrary<string> = fc
  .tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, hasHash]) => (hasHash ? [...levels, '#'] : levels).join('/'))
  .map((filter) => (filter === '' ? '/' : filter));

export const packetId: fc.Arbitrary<number> = fc.integer({ min: 1, max: 65_535 });
export const uint16: fc.Arbitrary<number> = fc.integer({ min: 0, max: 0xffff });
export const uint32: fc.Arbitrary<number> = fc.integer({ min: 0, max: 0xffff_ffff });
export const bit: fc.Arbitrary<number> = fc.integer({ min: 0, max: 1 });
export const qos: fc.Arbitrary<0 | 1 | 2> = fc.constantFrom(0, 1, 2);

/** A property section: objects of one property each, in the order of the bytes. */
export type PropertyList = readonly Properties[];

type Singles = { readonly [Name in keyof Properties]?: fc.Arbitrary<Properties[Name]> };

/**
 * Sections with some of `singles` and User Properties between them. Names of User Properties are
 * all different unless `mayRepeat`, because mqtt-packet loses the order of equal ones.
 */
export function propertyList(singles: Singles, mayRepeat = false): fc.Arbitrary<PropertyList> {
  const options = Object.entries(singles).map(([name, values]) =>
    fc.option(values.map((value): Properties => ({ [name]: value }))),
  );
  const pair = fc.tuple(mayRepeat ? fc.constantFrom('a', 'b', '') : text(4), text(4));
  const selector = ([name]: [string, string]) => name;
  const pairs = mayRepeat
    ? fc.array(pair, { maxLength: 6 })
    : fc.uniqueArray(pair, { maxLength: 3, selector });
  return fc.tuple(fc.tuple(...options), pairs).chain(([some, users]) => {
    const list: Properties[] = some.filter((one) => one !== null);
    for (const user of users) list.push({ userProperties: [user] });
    return fc.shuffledSubarray(list, { minLength: list.length });
  });
}

/** The bytes of a section, without their length. */
export function sectionBytes(list: PropertyList): Buffer {
  return Buffer.concat(list.map(propertyBytes));
}

/** All of a section's single properties as one object. */
export function merged(list: PropertyList): Properties {
  return Object.assign({}, ...list) as Properties;
}

/** What a client may put into PUBLISH, but for the Topic Alias. */
export const publishSingles: Singles = {
  payloadFormatIndicator: bit,
  messageExpiryInterval: uint32,
  contentType: text(8),
  responseTopic: topicName,
  correlationData: binary(),
};

export const connectSingles: Singles = {
  sessionExpiryInterval: uint32,
  receiveMaximum: packetId,
  maximumPacketSize: fc.integer({ min: 1, max: 0xffff_ffff }),
  topicAliasMaximum: uint16,
  requestResponseInformation: bit,
  requestProblemInformation: bit,
};

export const willSingles: Singles = {
  ...publishSingles,
  willDelayInterval: uint32,
};
