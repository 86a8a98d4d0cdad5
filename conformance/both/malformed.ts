/** Packets after CONNECT that a server must not accept: flags, ids, strings, empty payloads. */

import type { TestContext } from '../context.js';
import { ok } from '../expect.js';
import * as build from '../raw/build.js';
import { illFormedTexts, nulText, type Text } from '../raw/bytes.js';
import { type Claims, test } from '../registry.js';

type Cases = (t: TestContext) => readonly (readonly [string, Buffer])[];

/** Each packet on its own connection: the broker closes, and delivers or answers nothing. */
function closes(claims: Claims, sentence: string, codes: readonly number[], cases: Cases): void {
  test(claims, sentence, async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('#'));
    for (const [what, bytes] of cases(t)) {
      const client = await t.connect();
      client.send(bytes);
      try {
        await client.expectClosed({ codes: t.isV5 ? codes : [] });
      } catch (error) {
        if (error instanceof Error) error.message = `${what}: ${error.message}`;
        throw error;
      }
    }
    await watcher.expectNothing(watcher);
  });
}

const MALFORMED = [0x81, 0x82];
const texts: readonly (readonly [string, Text])[] = [...illFormedTexts, ['U+0000', nulText]];
const one = (filter: Text) => ({ packetId: 1, filters: [{ filter }] });

/** The packet with the low four bits of its first byte replaced by every wrong value. */
function wrongFlags(what: string, bytes: Buffer, right: number): (readonly [string, Buffer])[] {
  const flags = Array.from({ length: 16 }, (_, value) => value).filter((value) => value !== right);
  return flags.map((value) => {
    const changed = Buffer.from(bytes);
    changed[0] = (bytes[0] & 0xf0) | value;
    return [`${what} with flags ${value}`, changed] as const;
  });
}

closes(
  { '3.1.1': ['MQTT-3.8.1-1', 'MQTT-2.2.2-2'], '5.0': ['MQTT-3.8.1-1', 'MQTT-2.1.3-1'] },
  'closes at SUBSCRIBE with wrong flags',
  MALFORMED,
  (t) => wrongFlags('SUBSCRIBE', build.subscribe(t.version, one(t.topic())), 2),
);

closes(
  { '3.1.1': ['MQTT-3.10.1-1', 'MQTT-2.2.2-2'], '5.0': ['MQTT-3.10.1-1', 'MQTT-2.1.3-1'] },
  'closes at UNSUBSCRIBE with wrong flags',
  MALFORMED,
  (t) => {
    const bytes = build.unsubscribe(t.version, { packetId: 1, filters: [t.topic()] });
    return wrongFlags('UNSUBSCRIBE', bytes, 2);
  },
);

closes(
  { '3.1.1': ['MQTT-3.6.1-1', 'MQTT-2.2.2-2'], '5.0': ['MQTT-3.6.1-1', 'MQTT-2.1.3-1'] },
  'closes at PUBREL with wrong flags',
  MALFORMED,
  (t) => wrongFlags('PUBREL', build.ack(t.version, 'pubrel', 1), 2),
);

closes(
  { '3.1.1': ['MQTT-2.2.2-2'], '5.0': ['MQTT-2.1.3-1'] },
  'closes at PUBACK, PUBREC, PUBCOMP and PINGREQ with flags',
  MALFORMED,
  (t) => [
    ...wrongFlags('PUBACK', build.ack(t.version, 'puback', 1), 0).slice(0, 5),
    ...wrongFlags('PUBREC', build.ack(t.version, 'pubrec', 1), 0).slice(0, 5),
    ...wrongFlags('PUBCOMP', build.ack(t.version, 'pubcomp', 1), 0).slice(0, 5),
    ...wrongFlags('PINGREQ', build.pingreq(), 0).slice(0, 5),
  ],
);

closes(
  {
    '3.1.1': ['MQTT-3.14.1-1', 'MQTT-2.2.2-2'],
    '5.0': ['MQTT-3.14.1-1', 'MQTT-2.1.3-1', 'MQTT-4.13.1-1'],
  },
  'closes at DISCONNECT with flags',
  [0x81],
  (t) => wrongFlags('DISCONNECT', build.disconnect(t.version), 0).slice(0, 5),
);

closes(
  { '3.1.1': ['MQTT-2.3.1-1'], '5.0': ['MQTT-2.2.1-3'] },
  'closes at packet identifier 0',
  MALFORMED,
  (t) => [
    ['SUBSCRIBE', build.subscribe(t.version, { ...one(t.topic()), packetId: 0 })],
    ['UNSUBSCRIBE', build.unsubscribe(t.version, { packetId: 0, filters: [t.topic()] })],
    ['QoS 1', build.publish(t.version, { topic: t.topic(), qos: 1, packetId: 0 })],
    ['QoS 2', build.publish(t.version, { topic: t.topic(), qos: 2, packetId: 0 })],
  ],
);

closes(
  { '3.1': [], '3.1.1': ['MQTT-3.3.1-4'], '5.0': ['MQTT-3.3.1-4', 'MQTT-4.13.1-1'] },
  'closes at PUBLISH with QoS 3 and delivers nothing',
  MALFORMED,
  (t) => [
    ['QoS 3', build.publish(t.version, { topic: t.topic(), qos: 3, packetId: 1, payload: 'x' })],
  ],
);

closes(
  {
    '3.1.1': ['MQTT-1.5.3-1', 'MQTT-1.5.3-2', 'MQTT-3.3.2-1', 'MQTT-4.7.3-2'],
    '5.0': ['MQTT-1.5.4-1', 'MQTT-1.5.4-2', 'MQTT-3.3.2-1', 'MQTT-4.7.3-2'],
  },
  'closes at a topic name that is no UTF-8 or holds U+0000',
  [...MALFORMED, 0x90],
  (t) =>
    texts.map(
      ([what, topic]) => [what, build.publish(t.version, { topic, payload: 'x' })] as const,
    ),
);

closes(
  {
    '3.1.1': ['MQTT-1.5.3-1', 'MQTT-1.5.3-2', 'MQTT-3.8.3-1', 'MQTT-4.7.3-2'],
    '5.0': ['MQTT-1.5.4-1', 'MQTT-1.5.4-2', 'MQTT-3.8.3-1', 'MQTT-4.7.3-2'],
  },
  'closes at a SUBSCRIBE whose filter is no UTF-8 or holds U+0000',
  [...MALFORMED, 0x8f],
  (t) => texts.map(([what, filter]) => [what, build.subscribe(t.version, one(filter))] as const),
);

closes(
  {
    '3.1.1': ['MQTT-1.5.3-1', 'MQTT-1.5.3-2', 'MQTT-3.10.3-1', 'MQTT-4.7.3-2'],
    '5.0': ['MQTT-1.5.4-1', 'MQTT-1.5.4-2', 'MQTT-3.10.3-1', 'MQTT-4.7.3-2'],
  },
  'closes at an UNSUBSCRIBE whose filter is no UTF-8 or holds U+0000',
  [...MALFORMED, 0x8f],
  (t) =>
    texts.map(
      ([what, filter]) =>
        [what, build.unsubscribe(t.version, { packetId: 1, filters: [filter] })] as const,
    ),
);

closes(
  { '3.1.1': ['MQTT-3.8.3-3', 'MQTT-4.8.0-1'], '5.0': ['MQTT-3.8.3-2'] },
  'closes at SUBSCRIBE without a filter',
  MALFORMED,
  (t) => [['no filters', build.subscribe(t.version, { packetId: 1, filters: [] })]],
);

closes(
  { '3.1.1': ['MQTT-3.10.3-2', 'MQTT-4.8.0-1'], '5.0': ['MQTT-3.10.3-2'] },
  'closes at UNSUBSCRIBE without a filter',
  MALFORMED,
  (t) => [['no filters', build.unsubscribe(t.version, { packetId: 1, filters: [] })]],
);

closes(
  { '3.1.1': ['MQTT-3.8.3-4'], '5.0': ['MQTT-3.8.3-5'] },
  'closes at subscription options with reserved bits or QoS 3',
  MALFORMED,
  (t) => {
    const wrong = t.isV5 ? [0x40, 0x80, 0xc0, 0x03, 0x30] : [0x03, 0x04, 0x08, 0x10, 0x80];
    return wrong.map((options) => {
      const filters = [{ filter: t.topic(), options }];
      return [`options ${options}`, build.subscribe(t.version, { packetId: 1, filters })] as const;
    });
  },
);

closes(
  {
    '3.1.1': ['MQTT-3.3.2-2', 'MQTT-4.7.1-1', 'MQTT-4.7.3-1'],
    '5.0': ['MQTT-3.3.2-2', 'MQTT-4.7.0-1', 'MQTT-4.7.3-1'],
  },
  'closes at PUBLISH to an empty topic name or one with wildcards',
  [0x81, 0x82, 0x90],
  (t) =>
    ['', t.topic('#'), t.topic('+'), t.topic('a+b'), '+', '#'].map(
      (topic) => [`topic "${topic}"`, build.publish(t.version, { topic, payload: 'x' })] as const,
    ),
);

closes(
  { '3.1.1': ['MQTT-4.8.0-1'], '5.0': ['MQTT-4.13.1-1'] },
  'closes at packet types that only servers send, and at type 0',
  MALFORMED,
  (t) => [
    ['CONNACK', Buffer.of(0x20, 2, 0, 0)],
    ['SUBACK', Buffer.of(0x90, 3, 0, 1, 0)],
    ['UNSUBACK', Buffer.of(0xb0, 2, 0, 1)],
    ['PINGRESP', Buffer.of(0xd0, 0)],
    ['type 0', Buffer.of(0x00, 0)],
    ...(t.isV5 ? [] : [['type 15', Buffer.of(0xf0, 0)] as const]),
  ],
);

closes(
  { '3.1.1': ['MQTT-4.8.0-1'], '5.0': ['MQTT-4.13.1-1'] },
  'closes at packets that are cut short inside, and at a remaining length of five bytes',
  MALFORMED,
  (t) => [
    ['PUBLISH without a topic', Buffer.of(0x30, 0)],
    ['PUBLISH with half a topic', Buffer.of(0x30, 4, 0, 9, 0x61, 0x62)],
    ['QoS 1 without an id', Buffer.of(0x32, 3, 0, 1, 0x61)],
    ['PUBACK of one byte', Buffer.of(0x40, 1, 0)],
    ['SUBSCRIBE without options', Buffer.of(0x82, t.isV5 ? 6 : 5, 0, 1, ...v5(t, 0), 0, 1, 0x61)],
    [
      'UNSUBSCRIBE with half a filter',
      Buffer.of(0xa2, t.isV5 ? 6 : 5, 0, 1, ...v5(t, 0), 0, 9, 97),
    ],
    ['remaining length of five bytes', Buffer.of(0x30, 0x80, 0x80, 0x80, 0x80, 0x01, 0, 0)],
  ],
);

function v5(t: TestContext, byte: number): number[] {
  return t.isV5 ? [byte] : [];
}

test(
  { '3.1.1': ['MQTT-4.8.0-1'], '5.0': ['MQTT-4.13.1-1', 'MQTT-4.13.2-1'] },
  'closes only the connection that broke the protocol',
  async (t) => {
    const [publisher, watcher, sinner] = await t.connectAll({}, {}, {});
    await watcher.subscribe(t.topic(), 1);
    await sinner.subscribe(t.topic(), 1);
    sinner.send(build.subscribe(t.version, { packetId: 0, filters: [{ filter: 'x' }] }));
    await sinner.expectClosed({ codes: t.isV5 ? MALFORMED : [] });
    const answer = await publisher.publish(t.topic(), 'goes on', { qos: 1 });
    ok(answer !== null && answer.reasonCode < 0x80, 'PUBACK', 'a refusal');
    await watcher.receive();
  },
);
