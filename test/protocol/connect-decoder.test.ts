import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ConnectFields, connect } from '../../conformance/raw/build.js';
import { u8 } from '../../conformance/raw/bytes.js';
import { type Properties, propertyBytes } from '../../conformance/raw/properties.js';
import { decodeConnect, readConnectVersion } from '../../src/protocol/connect-decoder.js';
import type { ConnectPacket } from '../../src/protocol/control-packets.js';
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
const NEVER = 0xffff_ffff;

const test = suite('connect decoder');

const decode: Decode<ConnectPacket> = (bytes, at, start, end) =>
  decodeConnect(bytes, at, end, readConnectVersion(bytes, start, end));

const defaults = {
  isBridge: false,
  cleanStart: true,
  keepAlive: 0,
  clientId: '',
  username: null,
  password: null,
  will: null,
  sessionExpiryInterval: 0,
  receiveMaximum: 65_535,
  maximumPacketSize: Number.POSITIVE_INFINITY,
  topicAliasMaximum: 0,
  requestProblemInformation: true,
  requestResponseInformation: false,
  authenticationMethod: null,
  authenticationData: null,
};

test('the shortest CONNECT of each version has the defaults of the standard', () => {
  for (const protocolVersion of [3, 4, 5] as const) {
    const packet = decoded(connect(protocolVersion, {}), decode);
    assert.equal(packet, { ...defaults, protocolVersion });
  }
});

test('a 3.x session without CleanSession never expires, a 5.0 one at once by default', () => {
  const expiryOf = (version: 3 | 4 | 5) =>
    decoded(connect(version, { clean: false, clientId: 'c' }), decode).sessionExpiryInterval;
  assert.equal([expiryOf(3), expiryOf(4), expiryOf(5)], [NEVER, NEVER, 0]);
});

test('a Mosquitto bridge is known by bit 7 of its protocol version', () => {
  for (const version of [3, 4, 5] as const) {
    const packet = decoded(connect(version, { level: version | 0x80, clientId: 'b' }), decode);
    assert.is(packet.isBridge, true);
    assert.is(packet.protocolVersion, version);
    assert.is(packet.clientId, 'b');
  }
});

test('an empty password or user name is there, not absent', () => {
  const packet = decoded(connect(4, { username: '', password: '' }), decode);
  assert.is(packet.username, '');
  assert.equal(packet.password, Buffer.alloc(0));
});

test('MQTT 5.0 allows a password without a user name', () => {
  const packet = decoded(connect(5, { password: 'secret' }), decode);
  assert.is(packet.username, null);
  assert.equal(packet.password, Buffer.from('secret'));
});

test('a byte order mark at the start of a text stays [MQTT-1.5.4-3]', () => {
  assert.is(decoded(connect(5, { clientId: '\ufeffx' }), decode).clientId, '\ufeffx');
});

const version = fc.constantFrom(3 as const, 4 as const, 5 as const);

const anyWill = fc.record({
  topic: arbitrary.topicName,
  payload: arbitrary.binary(),
  qos: arbitrary.qos,
  retain: fc.boolean(),
  list: arbitrary.propertyList(arbitrary.willSingles, true),
});

const authentication = fc.oneof(
  fc.constant({}),
  fc.record({ authenticationMethod: arbitrary.text() }),
  fc.record({ authenticationMethod: arbitrary.text(), authenticationData: arbitrary.binary() }),
);

const anyConnect = fc.record({
  version,
  clientId: arbitrary.text(),
  clean: fc.boolean(),
  keepAlive: arbitrary.uint16,
  username: fc.option(arbitrary.text()),
  password: fc.option(arbitrary.binary()),
  will: fc.option(anyWill),
  list: arbitrary.propertyList(arbitrary.connectSingles, true),
  authentication,
});

type Sample = typeof anyConnect extends fc.Arbitrary<infer Value> ? Value : never;

/** MQTT 3.x has no password without a user name. */
const hasPassword = ({ version, username, password }: Sample): boolean =>
  password !== null && (version === 5 || username !== null);

function build(sample: Sample): Buffer {
  const { clientId, clean, keepAlive, username, password, will, list, authentication } = sample;
  const properties = [...list, ...Object.entries(authentication).map(([k, v]) => ({ [k]: v }))];
  const fields: ConnectFields = {
    clientId,
    clean,
    keepAlive,
    properties: arbitrary.sectionBytes(properties),
    ...(username === null ? {} : { username }),
    ...(hasPassword(sample) ? { password: password as Buffer } : {}),
    ...(will === null ? {} : { will: { ...will, properties: arbitrary.sectionBytes(will.list) } }),
  };
  return connect(sample.version, fields);
}

test('any valid CONNECT is decoded to what it was made of', () => {
  forAll(
    anyConnect,
    (sample) => {
      const { will, ...packet } = decoded(build(sample), decode);
      const isV5 = sample.version === 5;
      const given: Properties = isV5 ? arbitrary.merged(sample.list) : {};
      const auth = (isV5 ? sample.authentication : {}) as Partial<ConnectPacket>;
      const { will: _, ...plain } = defaults;
      assert.equal(packet, {
        ...plain,
        protocolVersion: sample.version,
        cleanStart: sample.clean,
        keepAlive: sample.keepAlive,
        clientId: sample.clientId,
        username: sample.username,
        password: hasPassword(sample) ? sample.password : null,
        sessionExpiryInterval: isV5 ? (given.sessionExpiryInterval ?? 0) : sample.clean ? 0 : NEVER,
        receiveMaximum: given.receiveMaximum ?? 65_535,
        maximumPacketSize: given.maximumPacketSize ?? Number.POSITIVE_INFINITY,
        topicAliasMaximum: given.topicAliasMaximum ?? 0,
        requestProblemInformation: given.requestProblemInformation !== 0,
        requestResponseInformation: given.requestResponseInformation === 1,
        authenticationMethod: auth.authenticationMethod ?? null,
        authenticationData: auth.authenticationData ?? null,
      });
      checkWill(sample, will);
    },
    { runs: 500 },
  );
});

/** The will’s properties keep their order, without Will Delay Interval [MQTT-3.3.2-18]. */
function checkWill(sample: Sample, will: ConnectPacket['will']): void {
  if (sample.will === null) {
    assert.is(will, null);
    return;
  }
  assert.ok(will);
  const { topic, payload, qos, retain } = sample.will;
  const list = sample.version === 5 ? sample.will.list : [];
  const kept = list.filter((one) => one.willDelayInterval === undefined);
  const given = arbitrary.merged(list);
  assert.is(will.topic, topic);
  assert.equal(will.payload, payload);
  assert.is(will.qos, qos);
  assert.is(will.retain, retain);
  assert.is(will.willDelayInterval, given.willDelayInterval ?? 0);
  assert.is(will.messageExpiryInterval, given.messageExpiryInterval ?? -1);
  assert.equal(will.properties, arbitrary.sectionBytes(kept));
  const isExpiring = given.messageExpiryInterval !== undefined;
  assert.is(will.expiryAt >= 0, isExpiring);
  if (isExpiring) {
    assert.is(will.properties.readUInt32BE(will.expiryAt), given.messageExpiryInterval);
  }
  const isValid = given.payloadFormatIndicator !== 1 || isDecodable(payload);
  assert.is(will.isPayloadValid, isValid);
}

function isDecodable(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString('utf8')).equals(bytes);
}

test('a valid CONNECT that is cut at any byte is refused', () => {
  forAll(
    anyConnect,
    (sample) => {
      const packet = build(sample);
      for (let kept = 0; kept < packet.length - bodyStart(packet); kept++) {
        const code = refusal(truncated(packet, kept), decode);
        assert.ok(code === MALFORMED || code === PROTOCOL_ERROR, `${kept}: ${code}`);
      }
    },
    { runs: 60 },
  );
});

test('a byte behind the last field is malformed', () => {
  forAll(anyConnect, (sample) => {
    const packet = build(sample);
    const longer = framed(packet[0], Buffer.concat([packet.subarray(bodyStart(packet)), u8(0)]));
    assert.is(refusal(longer, decode), MALFORMED);
  });
});

const full = connect(5, {
  clientId: 'çid',
  keepAlive: 60,
  username: 'us',
  password: 'pw',
  properties: {
    sessionExpiryInterval: 5,
    receiveMaximum: 2,
    requestProblemInformation: 0,
    userProperties: [['k', 'v']],
    authenticationMethod: 'm',
    authenticationData: 'd',
  },
  will: {
    topic: 'w/ü',
    payload: 'gone',
    qos: 1,
    properties: { willDelayInterval: 3, payloadFormatIndicator: 1, responseTopic: 'r' },
  },
});
const old = connect(4, { clientId: 'id', username: 'u', will: { topic: 'w', payload: 'x' } });

test('any single wrong byte is decoded or refused with a fitting code', () => {
  for (const packet of [full, old, connect(3, { clientId: 'i' })]) {
    let refused = 0;
    for (const wrong of corrupted(packet, () => everyByte)) {
      if ('reasonCode' in decodeAnywhere(wrong, decode)) refused++;
    }
    assert.ok(refused > 100);
  }
});

test('any wrong byte in any CONNECT is decoded or refused with a fitting code', () => {
  forAll(
    anyConnect,
    (sample) => {
      for (const wrong of corrupted(build(sample), nearBytes)) decodeAnywhere(wrong, decode);
    },
    { runs: 25 },
  );
});

test('a will keeps the order a, b, a of its User Properties, which mqtt-packet loses', () => {
  const list: Properties[] = [
    { userProperties: [['a', '1']] },
    { willDelayInterval: 7 },
    { userProperties: [['b', '2']] },
    { messageExpiryInterval: 9 },
    { userProperties: [['a', '3']] },
  ];
  const packet = connect(5, {
    will: { topic: 'w', properties: Buffer.concat(list.map(propertyBytes)) },
  });
  const will = decoded(packet, decode).will as NonNullable<ConnectPacket['will']>;
  const kept = Buffer.concat([0, 2, 3, 4].map((index) => propertyBytes(list[index])));
  assert.equal(will.properties, kept);
  assert.is(will.properties.readUInt32BE(will.expiryAt), 9);
  assert.is(will.willDelayInterval, 7);
});

test.run();
