import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  auth,
  disconnect,
  type FilterFields,
  subscribe,
  unsubscribe,
} from '../../conformance/raw/build.js';
import { field, frame, illFormedTexts, nulText, u8, u16 } from '../../conformance/raw/bytes.js';
import {
  decodeAuth,
  decodeDisconnect,
  decodeSubscribe,
  decodeUnsubscribe,
} from '../../src/protocol/control-decoder.js';
import * as arbitrary from './support/arbitraries.js';
import {
  bodyStart,
  corrupted,
  type Decode,
  decodeAnywhere,
  decoded,
  everyByte,
  framed,
  nearBytes,
  refusal,
  truncated,
} from './support/decode-anywhere.js';
import { forAll } from './support/for-all.js';

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;

const test = suite('control decoder');

type Decoder<Value> = (
  bytes: Buffer,
  at: number,
  start: number,
  end: number,
  isV5: boolean,
) => Value;

const of =
  <Value>(decoder: Decoder<Value>, isV5: boolean): Decode<Value> =>
  (bytes, at, start, end) =>
    decoder(bytes, at, start, end, isV5);

const subscribeSample = fc.record({
  isV5: fc.boolean(),
  packetId: arbitrary.packetId,
  filters: fc.array(
    fc.record({
      filter: arbitrary.topicFilter,
      qos: arbitrary.qos,
      noLocal: fc.boolean(),
      retainAsPublished: fc.boolean(),
      retainHandling: fc.constantFrom(0 as const, 1 as const, 2 as const),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  identifier: fc.option(fc.integer({ min: 1, max: 268_435_455 })),
  users: arbitrary.propertyList({}, true),
});

type SubscribeSample = typeof subscribeSample extends fc.Arbitrary<infer Value> ? Value : never;

function buildSubscribe({ isV5, packetId, filters, identifier, users }: SubscribeSample): Buffer {
  const list = identifier === null ? users : [...users, { subscriptionIdentifiers: [identifier] }];
  const sent: FilterFields[] = isV5 ? filters : filters.map(({ filter, qos }) => ({ filter, qos }));
  const properties = arbitrary.sectionBytes(list);
  return subscribe(isV5 ? 5 : 4, { packetId, filters: sent, properties });
}

test('any valid SUBSCRIBE is decoded to what it was made of', () => {
  forAll(subscribeSample, (sample) => {
    const { isV5, packetId, filters, identifier, users } = sample;
    const pairs = users.flatMap((one) => one.userProperties ?? []);
    const plain = { noLocal: false, retainAsPublished: false, retainHandling: 0 };
    assert.equal(decoded(buildSubscribe(sample), of(decodeSubscribe, isV5)), {
      packetId,
      subscriptionIdentifier: isV5 ? (identifier ?? 0) : 0,
      userProperties: isV5 ? pairs.map(([name, value]) => ({ name, value })) : [],
      subscriptions: filters.map((one) => (isV5 ? { ...one } : { ...one, ...plain })),
    });
  });
});

const unsubscribeSample = fc.record({
  isV5: fc.boolean(),
  packetId: arbitrary.packetId,
  filters: fc.array(arbitrary.topicFilter, { minLength: 1, maxLength: 5 }),
  users: arbitrary.propertyList({}, true),
});

test('any valid UNSUBSCRIBE is decoded to what it was made of', () => {
  forAll(unsubscribeSample, ({ isV5, packetId, filters, users }) => {
    const properties = arbitrary.sectionBytes(users);
    const packet = unsubscribe(isV5 ? 5 : 4, { packetId, filters, properties });
    assert.equal(decoded(packet, of(decodeUnsubscribe, isV5)), { packetId, filters });
  });
});

/** What section 3.14.2.1 lets a client send. */
const disconnectCodes = [
  0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
];

test('any valid DISCONNECT is decoded to what it was made of', () => {
  const sample = fc.record({
    reasonCode: fc.constantFrom(...disconnectCodes),
    list: arbitrary.propertyList(
      { sessionExpiryInterval: arbitrary.uint32, reasonString: arbitrary.text() },
      true,
    ),
  });
  forAll(sample, ({ reasonCode, list }) => {
    const packet = disconnect(5, { reasonCode, properties: arbitrary.sectionBytes(list) });
    const { sessionExpiryInterval = -1 } = arbitrary.merged(list);
    assert.equal(decoded(packet, of(decodeDisconnect, true)), {
      reasonCode,
      sessionExpiryInterval,
    });
  });
});

test('a DISCONNECT without a body, or with a reason code alone, is complete', () => {
  const decode = of(decodeDisconnect, true);
  const normal = { reasonCode: 0, sessionExpiryInterval: -1 };
  assert.equal(decoded(disconnect(5), decode), normal);
  assert.equal(decoded(disconnect(4), of(decodeDisconnect, false)), normal);
  assert.equal(decoded(disconnect(5, { reasonCode: 4 }), decode), { ...normal, reasonCode: 4 });
});

test('a client’s DISCONNECT has a reason code of its own table [MQTT-3.14.2-1]', () => {
  for (const reasonCode of everyByte) {
    const isGood = disconnectCodes.includes(reasonCode);
    for (const fields of [{ reasonCode }, { reasonCode, properties: {} }]) {
      const code = refusal(disconnect(5, fields), of(decodeDisconnect, true));
      assert.is(code, isGood ? 0 : PROTOCOL_ERROR, `${reasonCode}`);
    }
  }
});

test('a DISCONNECT of MQTT 3.1.1 has no body', () => {
  assert.is(refusal(frame(0xe0, u8(0)), of(decodeDisconnect, false)), MALFORMED);
});

test('any valid AUTH is decoded to what it was made of', () => {
  const sample = fc.record({
    reasonCode: fc.constantFrom(0x18, 0x19),
    list: arbitrary.propertyList(
      {
        authenticationMethod: arbitrary.text(),
        authenticationData: arbitrary.binary(),
        reasonString: arbitrary.text(),
      },
      true,
    ),
  });
  forAll(sample, ({ reasonCode, list }) => {
    const packet = auth({ reasonCode, properties: arbitrary.sectionBytes(list) });
    const { authenticationMethod = null, authenticationData = null } = arbitrary.merged(list);
    assert.equal(decoded(packet, decodeAuth), {
      reasonCode,
      authenticationMethod,
      authenticationData,
    });
  });
});

test('an AUTH without a body says 0, without a method', () => {
  const nothing = { reasonCode: 0, authenticationMethod: null, authenticationData: null };
  assert.equal(decoded(auth({}), decodeAuth), nothing);
});

test('a client’s AUTH says continue or re-authenticate [MQTT-3.15.2-1]', () => {
  for (const reasonCode of everyByte) {
    const packet = auth({ reasonCode, properties: { authenticationMethod: 'm' } });
    const isGood = reasonCode === 0x18 || reasonCode === 0x19;
    assert.is(refusal(packet, decodeAuth), isGood ? 0 : PROTOCOL_ERROR, `${reasonCode}`);
  }
});

test('all 256 subscription options are judged as 3.8.3.1 says [MQTT-3.8.3-5]', () => {
  for (const options of everyByte) {
    const packet = (version: 4 | 5) =>
      subscribe(version, { packetId: 1, filters: [{ filter: 'a', options }] });
    assert.is(refusal(packet(4), of(decodeSubscribe, false)), options < 3 ? 0 : MALFORMED);
    const isReserved = (options & 0xc0) !== 0;
    const isWrong = (options & 3) === 3 || (options & 0x30) === 0x30;
    const wanted = isReserved ? MALFORMED : isWrong ? PROTOCOL_ERROR : 0;
    assert.is(refusal(packet(5), of(decodeSubscribe, true)), wanted, `${options}`);
  }
});

const id = u16(1);
const none = u8(0);
const refused: readonly (readonly [string, boolean, Buffer, number])[] = [
  ['an empty body', false, Buffer.alloc(0), MALFORMED],
  ['half an identifier', false, u8(1), MALFORMED],
  ['identifier 0 [MQTT-2.2.1-3]', false, Buffer.concat([u16(0), field('a')]), MALFORMED],
  ['no filter', false, id, PROTOCOL_ERROR],
  ['no filter', true, Buffer.concat([id, none]), PROTOCOL_ERROR],
  ['no property length', true, id, MALFORMED],
  ['an overlong property length', true, Buffer.concat([id, Buffer.of(0x80, 0)]), MALFORMED],
  ['properties that are cut', true, Buffer.concat([id, u8(5), field('abc')]), MALFORMED],
  ['a filter that is cut', false, Buffer.concat([id, u16(3), Buffer.from('ab')]), MALFORMED],
];

for (const [what, isV5, body, code] of refused) {
  test(`SUBSCRIBE and UNSUBSCRIBE of MQTT ${isV5 ? 5 : 3} with ${what} are refused`, () => {
    assert.is(refusal(framed(0x82, body), of(decodeSubscribe, isV5)), code);
    assert.is(refusal(framed(0xa2, body), of(decodeUnsubscribe, isV5)), code);
  });
}

test('a filter without its options is malformed', () => {
  assert.is(refusal(frame(0x82, id, field('a')), of(decodeSubscribe, false)), MALFORMED);
  assert.is(refusal(frame(0x82, id, none, field('a')), of(decodeSubscribe, true)), MALFORMED);
});

test('a filter that is not UTF-8 is malformed [MQTT-3.8.3-1] [MQTT-3.10.3-1]', () => {
  for (const [why, filter] of [...illFormedTexts, ['U+0000', nulText] as const]) {
    const one = subscribe(5, { packetId: 1, filters: [{ filter: 'good' }, { filter }] });
    assert.is(refusal(one, of(decodeSubscribe, true)), MALFORMED, why);
    const other = unsubscribe(5, { packetId: 1, filters: ['good', filter] });
    assert.is(refusal(other, of(decodeUnsubscribe, true)), MALFORMED, why);
  }
});

test('properties of other packets are refused', () => {
  const alien = { topicAlias: 1 };
  const filters = ['a'];
  const cases: readonly number[] = [
    refusal(
      subscribe(5, { packetId: 1, filters: [{ filter: 'a' }], properties: alien }),
      of(decodeSubscribe, true),
    ),
    refusal(
      unsubscribe(5, { packetId: 1, filters, properties: { subscriptionIdentifiers: [1] } }),
      of(decodeUnsubscribe, true),
    ),
    refusal(
      disconnect(5, { reasonCode: 0, properties: { serverReference: 'x' } }),
      of(decodeDisconnect, true),
    ),
    refusal(auth({ reasonCode: 0x18, properties: alien }), decodeAuth),
  ];
  assert.equal(cases, [PROTOCOL_ERROR, PROTOCOL_ERROR, PROTOCOL_ERROR, PROTOCOL_ERROR]);
});

test('an AUTH that could name its method and does not is a protocol error', () => {
  assert.is(refusal(frame(0xf0, u8(0x18)), decodeAuth), PROTOCOL_ERROR);
});

test('bytes behind the properties of DISCONNECT and AUTH are malformed', () => {
  const body = (reason: number) => Buffer.concat([u8(reason), none, u8(0)]);
  assert.is(refusal(framed(0xe0, body(0)), of(decodeDisconnect, true)), MALFORMED);
  assert.is(refusal(framed(0xf0, body(0x18)), decodeAuth), MALFORMED);
});

const properties = { userProperties: [['k', 'ü']] as const };
const samples: readonly (readonly [string, Buffer, Decode<unknown>])[] = [
  [
    'SUBSCRIBE of MQTT 5.0',
    subscribe(5, {
      packetId: 258,
      filters: [
        { filter: 'a/ü', qos: 1, noLocal: true },
        { filter: '#', qos: 2, retainHandling: 2, retainAsPublished: true },
      ],
      properties: { subscriptionIdentifiers: [300], ...properties },
    }),
    of(decodeSubscribe, true),
  ],
  [
    'SUBSCRIBE of MQTT 3.1.1',
    subscribe(4, { packetId: 1, filters: [{ filter: 'a/b' }, { filter: '+', qos: 2 }] }),
    of(decodeSubscribe, false),
  ],
  [
    'UNSUBSCRIBE of MQTT 5.0',
    unsubscribe(5, { packetId: 9, filters: ['a/b', 'ü'], properties }),
    of(decodeUnsubscribe, true),
  ],
  [
    'UNSUBSCRIBE of MQTT 3.1.1',
    unsubscribe(4, { packetId: 9, filters: ['a/b', '#'] }),
    of(decodeUnsubscribe, false),
  ],
  [
    'DISCONNECT',
    disconnect(5, {
      reasonCode: 4,
      properties: { sessionExpiryInterval: 9, reasonString: 'why', ...properties },
    }),
    of(decodeDisconnect, true),
  ],
  [
    'AUTH',
    auth({
      reasonCode: 0x18,
      properties: { authenticationMethod: 'SCRAM', authenticationData: 'd', ...properties },
    }),
    decodeAuth,
  ],
];

for (const [name, packet, decode] of samples) {
  test(`any single wrong byte in ${name} is decoded or refused with a fitting code`, () => {
    decoded(packet, decode);
    let refusals = 0;
    for (const wrong of corrupted(packet, () => everyByte)) {
      if ('reasonCode' in decodeAnywhere(wrong, decode)) refusals++;
    }
    assert.ok(refusals > 100);
  });

  test(`any two wrong bytes in ${name} are decoded or refused with a fitting code`, () => {
    const size = packet.length - bodyStart(packet);
    const change = fc.tuple(fc.nat(size - 1), fc.nat(255));
    forAll(
      fc.tuple(change, change),
      (changes) => {
        const wrong = Buffer.from(packet);
        for (const [at, byte] of changes) wrong[bodyStart(packet) + at] = byte;
        decodeAnywhere(wrong, decode);
      },
      { runs: 500 },
    );
  });

  test(`${name} that is cut at any byte is decoded or refused with a fitting code`, () => {
    for (let kept = 0; kept < packet.length - bodyStart(packet); kept++) {
      decodeAnywhere(truncated(packet, kept), decode);
    }
  });
}

test('a SUBSCRIBE that is cut inside its last filter is refused', () => {
  const [, packet, decode] = samples[0];
  const lastFilter = 4; // two length bytes, '#', options
  const size = packet.length - bodyStart(packet);
  assert.is(refusal(truncated(packet, size - lastFilter), decode), 0);
  for (let missing = 1; missing < lastFilter; missing++) {
    assert.is(refusal(truncated(packet, size - missing), decode), MALFORMED);
  }
});

test('any wrong byte in any SUBSCRIBE is decoded or refused with a fitting code', () => {
  forAll(
    subscribeSample,
    (sample) => {
      for (const wrong of corrupted(buildSubscribe(sample), nearBytes)) {
        decodeAnywhere(wrong, of(decodeSubscribe, sample.isV5));
      }
    },
    { runs: 25 },
  );
});

test.run();
