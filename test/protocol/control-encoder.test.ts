import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  encodeAcknowledgement,
  encodeAuth,
  encodeConnack,
  encodeConnackV3,
  encodeDisconnect,
  encodeSuback,
  encodeUnsuback,
} from '../../src/protocol/control-encoder.js';
import type { ConnackProperties } from '../../src/protocol/control-packets.js';
import { MqttError } from '../../src/protocol/mqtt-error.js';
import { ReasonCode, toReturnCode } from '../../src/protocol/reason-codes.js';
import * as arbitrary from './support/arbitraries.js';
import { forAll } from './support/for-all.js';
import { parseOne } from './support/oracle.js';

const NO_LIMIT = Number.POSITIVE_INFINITY;

const test = suite('control encoder');

const connackProperties = fc.record(
  {
    sessionExpiryInterval: arbitrary.uint32,
    receiveMaximum: arbitrary.packetId,
    maximumQos: arbitrary.bit,
    retainAvailable: fc.boolean(),
    maximumPacketSize: fc.integer({ min: 1, max: 0xffff_ffff }),
    assignedClientIdentifier: arbitrary.text(),
    topicAliasMaximum: arbitrary.uint16,
    reasonString: arbitrary.text(),
    serverKeepAlive: arbitrary.uint16,
    authenticationMethod: arbitrary.text(),
    authenticationData: arbitrary.binary(),
    serverReference: arbitrary.text(),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<ConnackProperties>;

test('a CONNACK of MQTT 5.0 says all that it was given', () => {
  const sample = fc.tuple(fc.constantFrom(0x00, 0x80, 0x87, 0x97), fc.boolean(), connackProperties);
  forAll(sample, ([reasonCode, sessionPresent, properties]) => {
    const bytes = encodeConnack(reasonCode, sessionPresent, properties, NO_LIMIT) as Buffer;
    const packet = parseOne(bytes, true);
    assert.is(packet.cmd, 'connack');
    assert.is(packet.reasonCode, reasonCode);
    assert.is(packet.sessionPresent, sessionPresent);
    const { maximumQos, ...rest } = properties;
    const wanted = maximumQos === undefined ? rest : { ...rest, maximumQoS: maximumQos };
    assert.equal({ ...(packet.properties as object | undefined) }, { ...wanted });
  });
});

test('a CONNACK without properties has a property length of 0', () => {
  assert.is(encodeConnack(0, false, {}, NO_LIMIT)?.toString('hex'), '2003000000');
});

test('a CONNACK of MQTT 3.x has a return code of its table, or is none [MQTT-3.2.2-6]', () => {
  for (const reasonCode of Object.values(ReasonCode)) {
    const bytes = encodeConnackV3(reasonCode, false);
    const returnCode = toReturnCode(reasonCode);
    if (returnCode < 0) assert.is(bytes, null);
    else assert.is(bytes?.toString('hex'), `2002000${returnCode}`);
  }
  assert.is(encodeConnackV3(ReasonCode.Success, true)?.toString('hex'), '20020100');
});

test('a SUBACK has one code per filter, in their order [MQTT-3.9.3-1]', () => {
  const v3 = fc.array(fc.constantFrom(0, 1, 2, 0x80), { minLength: 1, maxLength: 200 });
  forAll(fc.tuple(arbitrary.packetId, v3), ([packetId, codes]) => {
    const packet = parseOne(encodeSuback(packetId, codes, false, null, NO_LIMIT) as Buffer, false);
    assert.is(packet.messageId, packetId);
    assert.equal(packet.granted, codes);
  });
  const v5 = fc.array(fc.constantFrom(0, 1, 2, 0x80, 0x87, 0x8f, 0x97, 0xa2), { minLength: 1 });
  const reason = fc.option(arbitrary.text());
  forAll(fc.tuple(arbitrary.packetId, v5, reason), ([packetId, codes, reasonString]) => {
    const bytes = encodeSuback(packetId, codes, true, reasonString, NO_LIMIT) as Buffer;
    const packet = parseOne(bytes, true);
    assert.is(packet.messageId, packetId);
    assert.equal(packet.granted, codes);
    assert.equal(packet.properties, reasonString === null ? undefined : { reasonString });
  });
});

test('a 3.1.1 SUBACK has no room for a Reason String', () => {
  const bytes = encodeSuback(1, [0x80], false, 'not authorized', NO_LIMIT);
  assert.is(bytes?.toString('hex'), '9003000180');
});

test('an UNSUBACK has codes in MQTT 5.0 alone [MQTT-3.11.3-1]', () => {
  const codes = fc.array(fc.constantFrom(0x00, 0x11, 0x87), { minLength: 1, maxLength: 50 });
  forAll(fc.tuple(arbitrary.packetId, codes), ([packetId, granted]) => {
    const v5 = parseOne(encodeUnsuback(packetId, granted, true, NO_LIMIT) as Buffer, true);
    assert.is(v5.messageId, packetId);
    assert.equal(v5.granted, granted);
    const v3 = encodeUnsuback(packetId, granted, false, NO_LIMIT) as Buffer;
    assert.is(v3.length, 4);
    assert.is(parseOne(v3, false).messageId, packetId);
  });
});

test('a DISCONNECT says its reason', () => {
  const sample = fc.tuple(fc.constantFrom(0x80, 0x81, 0x8e, 0x95), fc.option(arbitrary.text()));
  forAll(sample, ([reasonCode, reasonString]) => {
    const packet = parseOne(encodeDisconnect(reasonCode, reasonString, NO_LIMIT) as Buffer, true);
    assert.is(packet.cmd, 'disconnect');
    assert.is(packet.reasonCode, reasonCode);
    assert.equal(packet.properties, reasonString === null ? undefined : { reasonString });
  });
});

test('an AUTH has its method and, when there is any, its data', () => {
  const data = fc.option(arbitrary.binary());
  forAll(fc.tuple(arbitrary.text(), data), ([authenticationMethod, authenticationData]) => {
    const bytes = encodeAuth(0x18, authenticationMethod, authenticationData, NO_LIMIT) as Buffer;
    const packet = parseOne(bytes, true);
    assert.is(packet.reasonCode, 0x18);
    const wanted =
      authenticationData === null
        ? { authenticationMethod }
        : { authenticationMethod, authenticationData };
    assert.equal(packet.properties, wanted);
  });
});

/** Each packet that may say why, by what it is: its bytes for a reason and a limit. */
type Explained = (reason: string | null, maximumPacketSize: number) => Buffer | null;
const explained: readonly (readonly [string, Explained])[] = [
  [
    'CONNACK [MQTT-3.2.2-19]',
    (reasonString, max) =>
      encodeConnack(0x87, false, reasonString === null ? {} : { reasonString }, max),
  ],
  ['SUBACK [MQTT-3.9.2-1]', (reason, max) => encodeSuback(1, [0x87], true, reason, max)],
  ['PUBACK [MQTT-3.4.2-2]', (reason, max) => encodeAcknowledgement('puback', 1, 0x87, reason, max)],
  ['PUBREC [MQTT-3.5.2-2]', (reason, max) => encodeAcknowledgement('pubrec', 1, 0x87, reason, max)],
  ['PUBREL [MQTT-3.6.2-2]', (reason, max) => encodeAcknowledgement('pubrel', 1, 0x92, reason, max)],
  [
    'PUBCOMP [MQTT-3.7.2-2]',
    (reason, max) => encodeAcknowledgement('pubcomp', 1, 0x92, reason, max),
  ],
  ['DISCONNECT [MQTT-3.14.2-3]', (reason, max) => encodeDisconnect(0x81, reason, max)],
];

for (const [name, encode] of explained) {
  test(`the Reason String makes no ${name} larger than the client takes`, () => {
    const full = encode('because', NO_LIMIT) as Buffer;
    const short = encode(null, NO_LIMIT) as Buffer;
    assert.ok(short.length < full.length);
    assert.equal(encode('because', full.length), full);
    assert.equal(encode('because', full.length - 1), short);
    assert.equal(encode('because', short.length), short);
    assert.is(encode('because', short.length - 1), null);
    assert.is(encode(null, short.length - 1), null);
  });
}

test('other properties of a CONNACK stay when its Reason String goes', () => {
  const properties = { reasonString: 'because', serverKeepAlive: 7 };
  const full = encodeConnack(0, true, properties, NO_LIMIT) as Buffer;
  const bytes = encodeConnack(0, true, properties, full.length - 1) as Buffer;
  assert.equal(parseOne(bytes, true).properties, { serverKeepAlive: 7 });
});

test('an AUTH or UNSUBACK that does not fit is not sent', () => {
  const auth = encodeAuth(0x18, 'SCRAM', Buffer.alloc(100), NO_LIMIT) as Buffer;
  assert.equal(encodeAuth(0x18, 'SCRAM', Buffer.alloc(100), auth.length), auth);
  assert.is(encodeAuth(0x18, 'SCRAM', Buffer.alloc(100), auth.length - 1), null);
  const unsuback = encodeUnsuback(1, [0, 0x11], true, NO_LIMIT) as Buffer;
  assert.equal(encodeUnsuback(1, [0, 0x11], true, unsuback.length), unsuback);
  assert.is(encodeUnsuback(1, [0, 0x11], true, unsuback.length - 1), null);
});

test('an MqttError is an Error with a reason code for the peer', () => {
  const error = new MqttError(ReasonCode.ProtocolError, 'second CONNECT');
  assert.instance(error, Error);
  assert.is(error.name, 'MqttError');
  assert.is(error.reasonCode, 0x82);
  assert.is(error.message, 'second CONNECT');
});

test.run();
