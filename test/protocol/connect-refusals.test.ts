import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ConnectFields, connect } from '../../conformance/raw/build.js';
import { field, frame, illFormedTexts, nulText, u8, u16 } from '../../conformance/raw/bytes.js';
import {
  decodeConnect,
  readConnectVersion,
  UnsupportedVersion,
} from '../../src/protocol/connect-decoder.js';
import { type Decode, everyByte, refusal } from './support/decode-anywhere.js';

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const UNSUPPORTED = 0x84;
const TOPIC_INVALID = 0x90;

const test = suite('connect decoder, refusals');

const decode: Decode<unknown> = (bytes, at, start, end) =>
  decodeConnect(bytes, at, end, readConnectVersion(bytes, start, end));

const flagged = (version: 4 | 5, flags: number) =>
  refusal(connect(version, { flags, payload: fieldsFor(flags, version) }), decode);

/** The payload that the flags announce. */
function fieldsFor(flags: number, version: 4 | 5): Buffer {
  const parts = [field('id')];
  if ((flags & 4) !== 0) {
    if (version === 5) parts.push(u8(0));
    parts.push(field('will'), field('gone'));
  }
  if ((flags & 0x80) !== 0) parts.push(field('user'));
  if ((flags & 0x40) !== 0) parts.push(field('password'));
  return Buffer.concat(parts);
}

test('all 256 Connect Flags are judged as section 3.1.2 says [MQTT-3.1.2-3]', () => {
  for (const version of [4, 5] as const) {
    for (const flags of everyByte) {
      const isWill = (flags & 4) !== 0;
      const isGood =
        (flags & 1) === 0 &&
        (flags & 0x18) !== 0x18 &&
        (isWill || (flags & 0x38) === 0) &&
        (version === 5 || (flags & 0xc0) !== 0x40);
      assert.is(flagged(version, flags), isGood ? 0 : MALFORMED, `v${version} ${flags}`);
    }
  }
});

test('every name and level but MQIsdp 3, MQTT 4 and MQTT 5 is an unsupported version', () => {
  for (const protocolName of ['MQTT', 'MQIsdp', 'mqtt', 'MQTTX', '', 'ü']) {
    for (const level of everyByte) {
      const packet = connect(4, { protocolName, level, clientId: 'c' });
      const low = level & 0x7f;
      const isKnown = protocolName === 'MQTT' ? low === 4 || low === 5 : low === 3;
      const isOurs = isKnown && (protocolName === 'MQTT' || protocolName === 'MQIsdp');
      const code = refusal(packet, decode);
      // A 3.1.1 body behind level 5 has no property length and is read as something else.
      if (isOurs && low !== 5) assert.is(code, 0);
      else if (!isOurs) assert.is(code, UNSUPPORTED, `${protocolName} ${level}`);
      else assert.is.not(code, UNSUPPORTED);
    }
  }
});

test('an unsupported version tells its level when the protocol is MQTT [MQTT-3.1.2-2]', () => {
  const levelOf = (protocolName: string, level: number): number => {
    const packet = connect(4, { protocolName, level });
    try {
      readConnectVersion(packet, 2, packet.length);
    } catch (error) {
      if (error instanceof UnsupportedVersion) return error.level;
      throw error;
    }
    return Number.NaN;
  };
  assert.is(levelOf('MQTT', 6), 6);
  assert.is(levelOf('MQTT', 3), 3);
  assert.is(levelOf('MQIsdp', 4), 4);
  assert.is(levelOf('HTTP', 4), -1);
});

const text = [...illFormedTexts, ['U+0000', nulText] as const];
const badTexts: readonly (readonly [string, (bad: Buffer) => ConnectFields])[] = [
  ['client identifier', (clientId) => ({ clientId })],
  ['user name', (username) => ({ username })],
  ['will topic', (topic) => ({ will: { topic } })],
  ['will content type', (contentType) => ({ will: { topic: 'w', properties: { contentType } } })],
  ['user property', (bad) => ({ properties: { userProperties: [['k', bad]] } })],
  ['authentication method', (bad) => ({ properties: { authenticationMethod: bad } })],
];

for (const [what, fields] of badTexts) {
  test(`a ${what} that is not UTF-8 is malformed [MQTT-1.5.4-1] [MQTT-1.5.4-2]`, () => {
    for (const [why, bad] of text)
      assert.is(refusal(connect(5, fields(bad)), decode), MALFORMED, why);
  });
}

const refused: readonly (readonly [string, Buffer, number])[] = [
  ['a will topic with a wildcard', connect(4, { will: { topic: 'a/+' } }), TOPIC_INVALID],
  ['an empty will topic', connect(5, { will: { topic: '' } }), TOPIC_INVALID],
  [
    'a Response Topic with a wildcard [MQTT-3.3.2-14]',
    connect(5, { will: { topic: 'w', properties: { responseTopic: 'a/#' } } }),
    PROTOCOL_ERROR,
  ],
  [
    'Authentication Data without a method',
    connect(5, { properties: { authenticationData: 'x' } }),
    PROTOCOL_ERROR,
  ],
  ['Receive Maximum 0', connect(5, { properties: { receiveMaximum: 0 } }), PROTOCOL_ERROR],
  ['a property of PUBLISH', connect(5, { properties: { topicAlias: 1 } }), PROTOCOL_ERROR],
  [
    'a Will Delay Interval among CONNECT’s own properties',
    connect(5, { properties: { willDelayInterval: 1 } }),
    PROTOCOL_ERROR,
  ],
  [
    'a Session Expiry Interval in the will',
    connect(5, { will: { topic: 'w', properties: { sessionExpiryInterval: 1 } } }),
    PROTOCOL_ERROR,
  ],
  ['an overlong property length', overlong(), MALFORMED],
  ['nothing at all', frame(0x10), MALFORMED],
  ['a name without a level', frame(0x10, field('MQTT')), MALFORMED],
  ['no keep-alive', frame(0x10, field('MQTT'), u8(4), u8(2)), MALFORMED],
];

function overlong(): Buffer {
  const header = [field('MQTT'), u8(5), u8(2), u16(0)];
  return frame(0x10, ...header, Buffer.of(0x80, 0), field('id'));
}

for (const [what, packet, code] of refused) {
  test(`${what} is refused`, () => assert.is(refusal(packet, decode), code));
}

test.run();
