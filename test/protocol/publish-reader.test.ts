import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ack, publish } from '../../conformance/raw/build.js';
import { field, frame, u8, u16 } from '../../conformance/raw/bytes.js';
import { propertyBytes } from '../../conformance/raw/properties.js';
import { AcknowledgementReader, PublishReader } from '../../src/protocol/publish-reader.js';
import * as arbitrary from './support/arbitraries.js';
import {
  bodyStart,
  corrupted,
  type Decode,
  decodeAnywhere,
  decoded,
  everyByte,
  framed,
  refusal,
  truncated,
} from './support/decode-anywhere.js';
import { forAll } from './support/for-all.js';
import { publishDecoder } from './support/messages.js';
import { parseOne } from './support/oracle.js';

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const ALIAS_INVALID = 0x94;

const test = suite('publish reader');
const decodeV3 = publishDecoder(false);
const decodeV5 = publishDecoder(true);

test('a PUBLISH of MQTT 3.1.1 is read field by field', () => {
  const packet = publish(4, {
    topic: 'a/ü',
    payload: 'hello',
    qos: 2,
    retain: true,
    dup: true,
    packetId: 0xfffe,
  });
  assert.equal(decoded(packet, decodeV3), {
    qos: 2,
    dup: true,
    retain: true,
    packetId: 0xfffe,
    topic: 'a/ü',
    properties: '',
    payload: Buffer.from('hello').toString('hex'),
    messageExpiryInterval: -1,
    expiryAt: -1,
    topicAlias: 0,
    topicAliasAt: -1,
    hasValidPayload: true,
  });
});

test('a PUBLISH of MQTT 5.0 tells where its alias and its expiry are', () => {
  const properties = Buffer.concat([
    propertyBytes({ userProperties: [['k', 'v']] }),
    propertyBytes({ topicAlias: 513 }),
    propertyBytes({ messageExpiryInterval: 0xffff_ffff }),
  ]);
  const packet = publish(5, { topic: '', payload: 'p', properties });
  const fields = decoded(packet, decodeV5);
  assert.is(fields.topic, '');
  assert.is(fields.topicAlias, 513);
  assert.is(packet.readUInt16BE(fields.topicAliasAt + 1), 513);
  assert.is(fields.messageExpiryInterval, 0xffff_ffff);
  assert.is(packet.readUInt32BE(fields.expiryAt), 0xffff_ffff);
  assert.is(fields.properties, properties.toString('hex'));
});

const bad: readonly (readonly [string, boolean, Buffer, number])[] = [
  ['QoS 3 [MQTT-3.3.1-4]', false, frame(0x36, field('a'), u16(1)), MALFORMED],
  ['DUP at QoS 0 [MQTT-3.3.1-2]', false, frame(0x38, field('a')), MALFORMED],
  ['packet identifier 0 [MQTT-2.2.1-3]', false, frame(0x32, field('a'), u16(0)), MALFORMED],
  ['no packet identifier', false, frame(0x34, field('a')), MALFORMED],
  ['half a packet identifier', false, frame(0x32, field('a'), u8(0)), MALFORMED],
  ['an empty body', false, frame(0x30), MALFORMED],
  ['half a topic length', false, frame(0x30, u8(0)), MALFORMED],
  ['a topic that is cut', false, frame(0x30, u16(4), Buffer.from('abc')), MALFORMED],
  ['no property length', true, frame(0x30, field('a')), MALFORMED],
  ['properties that are cut', true, frame(0x30, field('a'), u8(4), Buffer.alloc(3)), MALFORMED],
  ['an overlong property length', true, frame(0x30, field('a'), Buffer.of(0x80, 0)), MALFORMED],
  ['Topic Alias 0', true, publish(5, { topic: 'a', properties: { topicAlias: 0 } }), ALIAS_INVALID],
  [
    'a Subscription Identifier [MQTT-3.3.4-6]',
    true,
    publish(5, { topic: 'a', properties: { subscriptionIdentifiers: [1] } }),
    PROTOCOL_ERROR,
  ],
  ...['', '+', 'a/#', 'a/+/b', 'ü#'].map(
    (responseTopic) =>
      [
        `the Response Topic '${responseTopic}' [MQTT-3.3.2-14]`,
        true,
        publish(5, { topic: 'a', properties: { responseTopic } }),
        PROTOCOL_ERROR,
      ] as const,
  ),
];

for (const [what, isV5, packet, code] of bad) {
  test(`${what} is refused`, () => {
    assert.is(refusal(packet, isV5 ? decodeV5 : decodeV3), code);
  });
}

test('a payload is checked only when its indicator says that it is UTF-8 [MQTT-3.3.2-4]', () => {
  const payload = Buffer.of(0xc0, 0x80);
  const says = (payloadFormatIndicator: number, bytes: Buffer | string) =>
    decoded(
      publish(5, { topic: 'a', payload: bytes, properties: { payloadFormatIndicator } }),
      decodeV5,
    ).hasValidPayload;
  assert.is(says(1, payload), false);
  assert.is(says(0, payload), true);
  assert.is(says(1, 'gül \0'), true);
  assert.is(says(1, ''), true);
});

test('nothing of one packet is left in the next, whatever the two versions are', () => {
  const properties = { payloadFormatIndicator: 1, messageExpiryInterval: 9, topicAlias: 3 };
  const full = publish(5, { topic: 'a', payload: 'x', qos: 1, packetId: 7, properties });
  const payload = Buffer.of(0xff);
  const plain: readonly (readonly [Buffer, Decode<unknown>])[] = [
    [publish(4, { topic: 'b', payload }), decodeV3],
    [publish(5, { topic: 'b', payload }), decodeV5],
    [publish(5, { topic: 'b', payload, properties: { contentType: '' } }), decodeV5],
  ];
  for (const [packet, decode] of plain) {
    const alone = decoded(packet, decode);
    decoded(full, decodeV5);
    assert.equal(decoded(packet, decode), alone);
    assert.is((alone as { hasValidPayload: boolean }).hasValidPayload, true);
    assert.is((alone as { packetId: number }).packetId, 0);
  }
});

test('nothing of a refused packet is left in the next', () => {
  const reader = new PublishReader();
  const refused = publish(5, {
    topic: 'a',
    properties: { payloadFormatIndicator: 1, messageExpiryInterval: 9, topicAlias: 0 },
  });
  assert.throws(() => reader.read(refused, 0, 2, refused.length, true));
  const packet = publish(4, { topic: 'b', payload: Buffer.of(0xff) });
  reader.read(packet, 0, 2, packet.length, false);
  assert.is(reader.messageExpiryInterval, -1);
  assert.is(reader.topicAlias, 0);
  assert.is(reader.hasValidPayload(packet), true);
});

const anyPublish = fc
  .record({
    isV5: fc.boolean(),
    qos: arbitrary.qos,
    retain: fc.boolean(),
    dup: fc.boolean(),
    packetId: arbitrary.packetId,
    topic: arbitrary.topicName,
    payload: arbitrary.binary(),
    list: arbitrary.propertyList({ ...arbitrary.publishSingles, topicAlias: arbitrary.packetId }),
  })
  .map(({ isV5, list, qos, dup, packetId, ...rest }) => ({
    isV5,
    packet: publish(isV5 ? 5 : 4, {
      ...rest,
      qos,
      dup: dup && qos > 0,
      ...(qos > 0 ? { packetId } : {}),
      properties: arbitrary.sectionBytes(list),
    }),
  }));

test('what is cut at any byte is refused, or read as mqtt-packet reads it', () => {
  forAll(
    anyPublish,
    ({ isV5, packet }) => {
      for (let kept = 0; kept < packet.length - bodyStart(packet); kept++) {
        agreesWithOracle(truncated(packet, kept), isV5);
      }
    },
    { runs: 60 },
  );
});

test('any single wrong byte is refused, or read as mqtt-packet reads it', () => {
  const packet = publish(5, {
    topic: 'a/b',
    payload: 'päy',
    qos: 1,
    packetId: 258,
    properties: {
      payloadFormatIndicator: 1,
      messageExpiryInterval: 5,
      topicAlias: 2,
      responseTopic: 'r',
      correlationData: Buffer.of(1),
      userProperties: [['k', 'v']],
    },
  });
  for (const wrong of corrupted(packet, () => everyByte)) agreesWithOracle(wrong, true);
  for (const wrong of corrupted(publish(4, { topic: 'a', payload: 'x' }), () => everyByte)) {
    agreesWithOracle(wrong, false);
  }
});

test('any first byte is refused, or read as mqtt-packet reads it', () => {
  const body = Buffer.concat([field('a'), u16(1), u8(0), Buffer.from('x')]);
  for (let flags = 0; flags < 16; flags++) agreesWithOracle(framed(0x30 | flags, body), true);
});

test('any body at all is refused, or read as mqtt-packet reads it', () => {
  const any = fc.tuple(fc.nat(15), fc.uint8Array({ maxLength: 30 }), fc.boolean());
  forAll(
    any,
    ([flags, body, isV5]) => {
      const small = Buffer.from(body.map((byte, at) => (at === 0 ? 0 : byte & 0x3f)));
      agreesWithOracle(framed(0x30 | flags, Buffer.from(body)), isV5);
      agreesWithOracle(framed(0x30 | flags, small), isV5);
    },
    { runs: 2_000 },
  );
});

/** We may be stricter than mqtt-packet, never laxer, and what both read is the same. */
function agreesWithOracle(packet: Buffer, isV5: boolean): void {
  const outcome = decodeAnywhere(packet, isV5 ? decodeV5 : decodeV3);
  if (!('value' in outcome)) return;
  const { value } = outcome;
  const oracle = parseOne(packet, isV5);
  const properties = (oracle.properties ?? {}) as Record<string, unknown>;
  assert.is(oracle.cmd, 'publish');
  assert.is(oracle.topic, value.topic);
  assert.is(oracle.qos, value.qos);
  assert.is(oracle.dup, value.dup);
  assert.is(oracle.retain, value.retain);
  assert.is(oracle.messageId ?? 0, value.packetId);
  assert.is((oracle.payload as Buffer).toString('hex'), value.payload);
  assert.is(properties.messageExpiryInterval ?? -1, value.messageExpiryInterval);
  assert.is(properties.topicAlias ?? 0, value.topicAlias);
}

function ackDecoder(isV5: boolean, isRelease: boolean): Decode<readonly [number, number]> {
  return (bytes, _at, start, end) => {
    ackReader.read(bytes, start, end, isV5, isRelease);
    return [ackReader.packetId, ackReader.reasonCode];
  };
}

const ackReader = new AcknowledgementReader();
const types = ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const;
const isRelease = (type: string): boolean => type === 'pubrel' || type === 'pubcomp';
/** Tables 3-4, 3-5, 3-6 and 3-7. */
const receivedCodes = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const releasedCodes = [0x00, 0x92];

for (const type of types) {
  const decode = ackDecoder(true, isRelease(type));
  const allowed = isRelease(type) ? releasedCodes : receivedCodes;

  test(`${type} takes the reason codes of its table and no others`, () => {
    for (const reasonCode of everyByte) {
      const outcome = decodeAnywhere(ack(5, type, 9, { reasonCode }), decode);
      if (allowed.includes(reasonCode)) assert.equal(outcome, { value: [9, reasonCode] });
      else assert.is('reasonCode' in outcome && outcome.reasonCode, PROTOCOL_ERROR);
    }
  });

  test(`${type} without a reason code says 0`, () => {
    assert.equal(decoded(ack(5, type, 65_535), decode), [65_535, 0]);
    assert.equal(decoded(ack(4, type, 1), ackDecoder(false, isRelease(type))), [1, 0]);
  });

  test(`a malformed ${type} is refused`, () => {
    const [first] = ack(5, type, 1);
    const reason = (...rest: Buffer[]) => frame(first, u16(1), u8(0), ...rest);
    const cases: readonly (readonly [string, Buffer, number])[] = [
      ['nothing', frame(first), MALFORMED],
      ['half an identifier', frame(first, u8(1)), MALFORMED],
      ['identifier 0', frame(first, u16(0)), MALFORMED],
      ['properties cut', reason(u8(2), u8(0x1f)), MALFORMED],
      ['bytes left over', reason(u8(0), u8(0)), MALFORMED],
      ['overlong length', reason(Buffer.of(0x80, 0)), MALFORMED],
      ['alien property', reason(u8(3), propertyBytes({ topicAlias: 1 })), PROTOCOL_ERROR],
    ];
    for (const [what, packet, code] of cases) assert.is(refusal(packet, decode), code, what);
  });

  test(`a ${type} of MQTT 3.1.1 ends after its identifier`, () => {
    const packet = ack(5, type, 1, { reasonCode: 0 });
    assert.is(refusal(packet, ackDecoder(false, isRelease(type))), MALFORMED);
  });

  test(`a ${type} that is cut or has a wrong byte is refused, or read as mqtt-packet does`, () => {
    const properties = { reasonString: 'why', userProperties: [['a', 'b']] as const };
    const packet = ack(5, type, 300, { reasonCode: allowed[1], properties });
    const wrongs = [
      ...corrupted(packet, () => everyByte),
      ...Array.from(packet.subarray(2), (_, kept) => truncated(packet, kept)),
    ];
    for (const wrong of wrongs) {
      const outcome = decodeAnywhere(wrong, decode);
      if (!('value' in outcome)) continue;
      const oracle = parseOne(wrong, true);
      assert.equal(outcome.value, [oracle.messageId, oracle.reasonCode]);
    }
  });
}

test('nothing of one acknowledgement is left in the next', () => {
  decoded(ack(5, 'puback', 7, { reasonCode: 0x97 }), ackDecoder(true, false));
  assert.equal(decoded(ack(5, 'puback', 8), ackDecoder(true, false)), [8, 0]);
});

test.run();
