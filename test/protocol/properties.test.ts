import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { illFormedTexts, nulText, u16, u32, varint } from '../../conformance/raw/bytes.js';
import {
  type Properties,
  type PropertyKind,
  type PropertyName,
  propertyBytes,
  propertyNames,
  propertyTable,
} from '../../conformance/raw/properties.js';
import { MqttError } from '../../src/protocol/mqtt-error.js';
import {
  acknowledgementProperties,
  authProperties,
  checkProperties,
  connectProperties,
  disconnectProperties,
  type PropertySet,
  type PropertyVisitor,
  publishProperties,
  stringEnd,
  subscribeProperties,
  unsubscribeProperties,
  willProperties,
} from '../../src/protocol/properties.js';

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const ALIAS_INVALID = 0x94;

const test = suite('properties');

/** Table 2-4, the columns of what a client sends. */
const columns: readonly (readonly [string, PropertySet, readonly PropertyName[]])[] = [
  [
    'CONNECT',
    connectProperties,
    [
      'sessionExpiryInterval',
      'authenticationMethod',
      'authenticationData',
      'requestProblemInformation',
      'requestResponseInformation',
      'receiveMaximum',
      'topicAliasMaximum',
      'userProperties',
      'maximumPacketSize',
    ],
  ],
  [
    'a will',
    willProperties,
    [
      'payloadFormatIndicator',
      'messageExpiryInterval',
      'contentType',
      'responseTopic',
      'correlationData',
      'willDelayInterval',
      'userProperties',
    ],
  ],
  [
    'PUBLISH',
    publishProperties,
    [
      'payloadFormatIndicator',
      'messageExpiryInterval',
      'contentType',
      'responseTopic',
      'correlationData',
      'topicAlias',
      'userProperties',
    ],
  ],
  ['an acknowledgement', acknowledgementProperties, ['reasonString', 'userProperties']],
  ['SUBSCRIBE', subscribeProperties, ['subscriptionIdentifiers', 'userProperties']],
  ['UNSUBSCRIBE', unsubscribeProperties, ['userProperties']],
  ['DISCONNECT', disconnectProperties, ['sessionExpiryInterval', 'reasonString', 'userProperties']],
  [
    'AUTH',
    authProperties,
    ['authenticationMethod', 'authenticationData', 'reasonString', 'userProperties'],
  ],
];

const samples: Readonly<Record<PropertyKind, unknown>> = {
  u8: 1,
  u16: 0x0102,
  u32: 0x01020304,
  varint: 300,
  text: 'texts',
  binary: Buffer.of(0, 0xff, 3, 4),
  pair: [['name', 'value']],
};

function sampleOf(name: PropertyName): Buffer {
  const [, kind] = propertyTable[name];
  const value = samples[kind];
  return propertyBytes({ [name]: name === 'subscriptionIdentifiers' ? [value] : value });
}

const everything: PropertySet = new Uint8Array(256).fill(1);

/** The reason code; 0 when the section is good. Bytes around it would go on with any property. */
function check(section: Buffer, allowed: PropertySet, visitor: PropertyVisitor | null = null) {
  const bytes = Buffer.concat([Buffer.alloc(3, 0x26), section, Buffer.alloc(9, 0)]);
  try {
    checkProperties(bytes, 3, 3 + section.length, allowed, visitor);
    return 0;
  } catch (error) {
    assert.instance(error, MqttError);
    return (error as MqttError).reasonCode;
  }
}

const hasName = (id: number): boolean => propertyNames.has(id);

for (const [packet, set, names] of columns) {
  test(`${packet} takes its own properties and no others [MQTT-3.1.2-24]`, () => {
    for (const name of Object.keys(propertyTable) as PropertyName[]) {
      const code = check(sampleOf(name), set);
      assert.is(code, names.includes(name) ? 0 : PROTOCOL_ERROR, `${name}: ${code}`);
    }
  });

  test(`${packet} takes no property twice but User Property`, () => {
    for (const name of names) {
      const code = check(Buffer.concat([sampleOf(name), sampleOf(name)]), set);
      assert.is(code, name === 'userProperties' ? 0 : PROTOCOL_ERROR, `${name}: ${code}`);
    }
  });

  test(`${packet} with a repeated property is refused however far apart the two stand`, () => {
    for (const name of names) {
      if (name === 'userProperties') continue;
      const between = names.filter((other) => other !== name).map(sampleOf);
      const section = Buffer.concat([sampleOf(name), ...between, sampleOf(name)]);
      assert.is(check(section, set), PROTOCOL_ERROR, name);
      assert.is(check(section.subarray(0, -sampleOf(name).length), set), 0, name);
    }
  });
}

test('an identifier that no property has is malformed', () => {
  for (let id = 0; id < 256; id++) {
    if (hasName(id)) continue;
    assert.is(check(Buffer.of(id, 0, 0, 0, 0), everything), MALFORMED, `${id}`);
  }
});

test('a property that is cut at any byte is malformed', () => {
  for (const name of Object.keys(propertyTable) as PropertyName[]) {
    const whole = sampleOf(name);
    assert.is(check(whole, everything), 0, name);
    for (let length = 1; length < whole.length; length++) {
      assert.is(check(whole.subarray(0, length), everything), MALFORMED, `${name} at ${length}`);
    }
  }
});

const oneByteNames = (Object.keys(propertyTable) as PropertyName[]).filter(
  (name) => propertyTable[name][1] === 'u8',
);

test('a property of one byte is 0 or 1', () => {
  assert.is(oneByteNames.length, 8);
  for (const name of oneByteNames) {
    for (let value = 0; value < 256; value++) {
      const code = check(propertyBytes({ [name]: value }), everything);
      assert.is(code, value < 2 ? 0 : PROTOCOL_ERROR, `${name} ${value}`);
    }
  }
});

test('values that may not be 0 are refused with their own code', () => {
  const zeros: readonly (readonly [Properties, number])[] = [
    [{ receiveMaximum: 0 }, PROTOCOL_ERROR],
    [{ maximumPacketSize: 0 }, PROTOCOL_ERROR],
    [{ subscriptionIdentifiers: [0] }, PROTOCOL_ERROR],
    [{ topicAlias: 0 }, ALIAS_INVALID],
    [{ topicAliasMaximum: 0 }, 0],
    [{ sessionExpiryInterval: 0 }, 0],
    [{ messageExpiryInterval: 0 }, 0],
    [{ willDelayInterval: 0 }, 0],
    [{ contentType: '' }, 0],
    [{ correlationData: '' }, 0],
    [{ authenticationData: '' }, 0],
    [{ userProperties: [['', '']] }, 0],
  ];
  for (const [property, code] of zeros) {
    assert.is(check(propertyBytes(property), everything), code, JSON.stringify(property));
  }
});

test('texts are UTF-8, binary values are anything [MQTT-1.5.4-1] [MQTT-1.5.4-2]', () => {
  for (const [what, bad] of [...illFormedTexts, ['U+0000', nulText] as const]) {
    assert.is(check(propertyBytes({ contentType: bad }), everything), MALFORMED, what);
    const pairs: readonly Properties[] = [
      { userProperties: [[bad, 'v']] },
      { userProperties: [['n', bad]] },
    ];
    for (const pair of pairs) assert.is(check(propertyBytes(pair), everything), MALFORMED, what);
    assert.is(check(propertyBytes({ correlationData: bad }), everything), 0, what);
  }
});

test('a Subscription Identifier is a Variable Byte Integer in its shortest form', () => {
  const code = (bytes: Buffer) => check(Buffer.concat([Buffer.of(0x0b), bytes]), everything);
  for (const value of [1, 127, 128, 268_435_455]) assert.is(code(varint(value)), 0);
  for (const bytes of [
    varint(1, 2),
    varint(0, 2),
    varint(127, 4),
    Buffer.of(128, 128, 128, 128, 1),
  ]) {
    assert.is(code(bytes), MALFORMED);
  }
});

test('what follows a bad property does not make it good', () => {
  const bad = propertyBytes({ topicAlias: 0 });
  const good = propertyBytes({ contentType: 'x' });
  assert.is(check(Buffer.concat([good, bad, good]), everything), ALIAS_INVALID);
});

test('the visitor sees each property with its value and its place, in order', () => {
  type Seen = readonly [number, number, number, number, number];
  const seen: Seen[] = [];
  const visitor: PropertyVisitor = { onProperty: (...all) => void seen.push(all) };
  const section = Buffer.concat([
    propertyBytes({ userProperties: [['ab', 'c']] }),
    propertyBytes({ payloadFormatIndicator: 1 }),
    propertyBytes({ topicAlias: 0x1234 }),
    propertyBytes({ messageExpiryInterval: 0xfedcba98 }),
    propertyBytes({ subscriptionIdentifiers: [16_384] }),
    propertyBytes({ contentType: 'äb' }),
    propertyBytes({ userProperties: [['ab', 'd']] }),
  ]);
  assert.is(check(section, everything, visitor), 0);
  // Offsets count from the buffer’s start, three bytes before the section.
  assert.equal(seen, [
    [0x26, 0, 3, 4, 11],
    [0x01, 1, 11, 12, 13],
    [0x23, 0x1234, 13, 14, 16],
    [0x02, 0xfedcba98, 16, 17, 21],
    [0x0b, 16_384, 21, 22, 25],
    [0x03, 0, 25, 28, 31],
    [0x26, 0, 31, 32, 39],
  ]);
});

test('one section does not remember another, also after a refusal', () => {
  const alias = propertyBytes({ topicAlias: 1 });
  for (let round = 0; round < 3; round++) {
    assert.is(check(alias, publishProperties), 0);
    assert.is(check(Buffer.concat([alias, alias]), publishProperties), PROTOCOL_ERROR);
  }
});

test('an empty section is good', () => {
  for (const [, set] of columns) assert.is(check(Buffer.alloc(0), set), 0);
});

test('a string ends where its length says, within its range', () => {
  const bytes = Buffer.from('xx\0\x03abcdef');
  assert.is(stringEnd(bytes, 2, bytes.length, true), 7);
  assert.is(stringEnd(bytes, 2, 7, true), 7);
  for (let end = 2; end < 7; end++) {
    assert.throws(() => stringEnd(bytes, 2, end, true), isMalformed);
  }
  const longest = Buffer.concat([u16(65_535), Buffer.alloc(65_535, 0x61)]);
  assert.is(stringEnd(longest, 0, longest.length, true), longest.length);
  assert.throws(() => stringEnd(u32(0), 4, 4, false), isMalformed);
});

function isMalformed(error: unknown): boolean {
  return error instanceof MqttError && error.reasonCode === MALFORMED;
}

test.run();
