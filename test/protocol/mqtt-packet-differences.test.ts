import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ack, connect, publish, subscribe } from '../../conformance/raw/build.js';
import { field, frame, illFormedTexts, nulText, u16 } from '../../conformance/raw/bytes.js';
import { type Properties, propertyBytes } from '../../conformance/raw/properties.js';
import { decodeConnect, readConnectVersion } from '../../src/protocol/connect-decoder.js';
import { decodeSubscribe } from '../../src/protocol/control-decoder.js';
import { AcknowledgementReader } from '../../src/protocol/publish-reader.js';
import { OVERLONG, readVariableByteInteger } from '../../src/protocol/variable-byte-integer.js';
import { type Decode, decoded, refusal } from './support/decode-anywhere.js';
import { messageOf, publishDecoder, writeMessage } from './support/messages.js';
import { generate, parseAll, parseOne } from './support/oracle.js';

// Where mqtt-packet 9.0.2 reads or writes something else than the standard says, and what we do
// instead. When one of these fails after an update, our own code for it may have become needless.

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;

const test = suite('differences from mqtt-packet');

const readConnect: Decode<unknown> = (bytes, at, start, end) =>
  decodeConnect(bytes, at, end, readConnectVersion(bytes, start, end));
const readSubscribe: Decode<unknown> = (bytes, at, start, end) =>
  decodeSubscribe(bytes, at, start, end, true);
const readPublish = publishDecoder(true);

const users = (...pairs: [string, string][]): Properties => ({ userProperties: pairs });

test('it reorders User Properties; we forward them as they came [MQTT-3.3.2-18]', () => {
  const pairs: [string, string][] = [
    ['a', '1'],
    ['b', '2'],
    ['a', '3'],
  ];
  const properties = propertyBytes(users(...pairs));
  const bytes = publish(5, { topic: 't', payload: 'p', properties });

  const parsed = parseOne(bytes, true);
  const again = generate({ ...parsed }, true);
  const reordered = propertyBytes(users(['a', '1'], ['a', '3'], ['b', '2']));
  assert.equal(again, publish(5, { topic: 't', payload: 'p', properties: reordered }));

  const fields = decoded(bytes, readPublish);
  assert.is(fields.properties, properties.toString('hex'));
  const message = messageOf({ topic: 't', payload: Buffer.from('p'), properties });
  assert.equal(writeMessage(message, { isV5: true }), bytes);
});

test('it loses an empty value before another of the same name; we keep both', () => {
  const properties = propertyBytes(users(['a', ''], ['a', '1']));
  const bytes = publish(5, { topic: 't', properties });
  const parsed = parseOne(bytes, true).properties as { userProperties: Record<string, unknown> };
  assert.is(parsed.userProperties.a, '1');
  assert.is(decoded(bytes, readPublish).properties, properties.toString('hex'));
});

test('it accepts ill-formed UTF-8 and U+0000; we refuse both [MQTT-1.5.4-1] [MQTT-1.5.4-2]', () => {
  for (const [why, text] of [...illFormedTexts, ['U+0000', nulText] as const]) {
    const packets: readonly (readonly [Buffer, Decode<unknown>])[] = [
      [connect(5, { clientId: text }), readConnect],
      [connect(5, { will: { topic: text } }), readConnect],
      [subscribe(5, { packetId: 1, filters: [{ filter: text }] }), readSubscribe],
      [publish(5, { topic: 't', properties: { contentType: text } }), readPublish],
    ];
    for (const [bytes, read] of packets) {
      assert.not.throws(() => parseOne(bytes, true));
      assert.is(refusal(bytes, read), MALFORMED, why);
    }
  }
});

test('it accepts properties twice and in wrong packets; we refuse them', () => {
  const alias = propertyBytes({ topicAlias: 1 });
  const packets: readonly (readonly [Buffer, Decode<unknown>])[] = [
    [publish(5, { topic: 't', properties: Buffer.concat([alias, alias]) }), readPublish],
    [publish(5, { topic: 't', properties: { subscriptionIdentifiers: [1] } }), readPublish],
    [publish(5, { topic: 't', properties: { serverKeepAlive: 1 } }), readPublish],
    [connect(5, { properties: { topicAlias: 1 } }), readConnect],
    [connect(5, { properties: { receiveMaximum: 0 } }), readConnect],
    [subscribe(5, { packetId: 1, filters: [{ filter: 'a' }], properties: alias }), readSubscribe],
  ];
  for (const [bytes, read] of packets) {
    assert.not.throws(() => parseOne(bytes, true));
    assert.is(refusal(bytes, read), PROTOCOL_ERROR);
  }
});

test('it accepts packet identifier 0; we refuse it [MQTT-2.2.1-3]', () => {
  const reader = new AcknowledgementReader();
  const readAck: Decode<void> = (bytes, _at, start, end) =>
    reader.read(bytes, start, end, true, false);
  const packets: readonly (readonly [Buffer, Decode<unknown>])[] = [
    [publish(5, { topic: 't', qos: 1, packetId: 0 }), readPublish],
    [subscribe(5, { packetId: 0, filters: [{ filter: 'a' }] }), readSubscribe],
    [ack(5, 'puback', 0), readAck],
  ];
  for (const [bytes, read] of packets) {
    assert.not.throws(() => parseOne(bytes, true));
    assert.is(refusal(bytes, read), MALFORMED);
  }
});

test('it accepts DUP at QoS 0; we refuse it [MQTT-3.3.1-2]', () => {
  const bytes = publish(5, { topic: 't', dup: true });
  assert.not.throws(() => parseOne(bytes, true));
  assert.is(refusal(bytes, readPublish), MALFORMED);
});

test('it accepts a SUBSCRIBE without filters; we refuse it [MQTT-3.8.3-2]', () => {
  const bytes = subscribe(5, { packetId: 1, filters: [] });
  assert.equal(parseOne(bytes, true).subscriptions, []);
  assert.is(refusal(bytes, readSubscribe), PROTOCOL_ERROR);
});

test('it accepts bytes behind the last field of CONNECT; we refuse them', () => {
  const bytes = connect(4, { payload: Buffer.concat([field('id'), field('left over')]) });
  assert.is(parseOne(bytes, false).clientId, 'id');
  assert.is(refusal(bytes, readConnect), MALFORMED);
});

test('it accepts overlong lengths; we refuse them [MQTT-1.5.5-1]', () => {
  const body = Buffer.concat([field('t'), Buffer.of(0x80, 0x00)]);
  const bytes = frame(0x30, body);
  assert.is(parseOne(bytes, true).topic, 't');
  assert.is(refusal(bytes, readPublish), MALFORMED);

  const ping = Buffer.of(0xc0, 0x80, 0x00);
  assert.is(parseOne(ping, true).cmd, 'pingreq');
  assert.is(readVariableByteInteger(ping, 1, ping.length), OVERLONG);
});

test('it waits for a packet of any size, so the connection checks the length itself', () => {
  const header = Buffer.from('30ffffff7f', 'hex');
  assert.equal(parseAll(Buffer.concat([header, Buffer.alloc(1_000_000)]), true), []);
  assert.is(readVariableByteInteger(header, 1, header.length), 268_435_455);
});

test('its errors have no code; ours always have one', () => {
  const bytes = frame(0x82, u16(1), Buffer.of(0), field('a'), Buffer.of(0xff));
  assert.throws(
    () => parseOne(bytes, true),
    (error: unknown) => error instanceof Error && !('code' in error) && !('reasonCode' in error),
  );
  assert.is(refusal(bytes, readSubscribe), MALFORMED);
});

test.run();
