/** CONNECT packets that a server must not accept (section 3.1). */

import type { TestContext } from '../context.js';
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { field, illFormedTexts, nulText, type Text } from '../raw/bytes.js';
import { type Claims, test } from '../registry.js';

/** What a 5.0 CONNACK may say about a malformed CONNECT; 3.1.1 allows no CONNACK at all. */
const MALFORMED = [0x80, 0x81, 0x82, 0x83, 0x85, 0x90, 0x99];

/** The broker must close: 3.x without a byte, 5.0 at most with a CONNACK that says why. */
async function expectRefused(t: TestContext, what: string, bytes: Buffer): Promise<void> {
  const client = await t.open();
  client.send(bytes);
  try {
    await client.expectClosed({ codes: t.isV5 ? MALFORMED : [] });
  } catch (error) {
    if (error instanceof Error) error.message = `${what}: ${error.message}`;
    throw error;
  }
}

function refuses(
  claims: Claims,
  sentence: string,
  cases: (t: TestContext) => readonly (readonly [string, build.ConnectFields])[],
): void {
  test(claims, sentence, async (t) => {
    for (const [what, fields] of cases(t)) {
      const bytes = build.connect(t.version, { clientId: t.clientId(), ...fields });
      await expectRefused(t, what, bytes);
    }
  });
}

const anyFields = [field('id'), field('more')];

refuses(
  {
    '3.1.1': ['MQTT-3.1.2-3', 'MQTT-3.1.4-1'],
    '5.0': ['MQTT-3.1.2-3', 'MQTT-3.1.4-1'],
  },
  'refuses CONNECT with its reserved flag set',
  () => [['flags 0x03', { flags: 0x03 }]],
);

refuses(
  { '3.1.1': ['MQTT-3.1.2-9'], '5.0': ['MQTT-3.1.2-9'] },
  'refuses a Will Flag without the will fields',
  (t) => [
    ['no will at all', { flags: 0x06 }],
    [
      'will topic only',
      {
        flags: 0x06,
        payload: Buffer.concat([
          field('id'),
          t.isV5 ? Buffer.of(0) : Buffer.alloc(0),
          field(t.topic()),
        ]),
      },
    ],
  ],
);

refuses(
  { '3.1.1': ['MQTT-3.1.2-11', 'MQTT-3.1.2-13'], '5.0': ['MQTT-3.1.2-11'] },
  'refuses a Will QoS without the Will Flag',
  () => [1, 2, 3].map((qos) => [`Will QoS ${qos}`, { flags: 0x02 | (qos << 3) }] as const),
);

refuses(
  { '3.1.1': ['MQTT-3.1.2-11', 'MQTT-3.1.2-15'], '5.0': ['MQTT-3.1.2-13'] },
  'refuses Will Retain without the Will Flag',
  () => [['Will Retain', { flags: 0x22 }]],
);

refuses({ '3.1.1': ['MQTT-3.1.2-14'], '5.0': ['MQTT-3.1.2-12'] }, 'refuses Will QoS 3', (t) => [
  ['Will QoS 3', { will: { topic: t.topic(), payload: 'x', qos: 3 } }],
]);

refuses(
  {
    '3.1.1': ['MQTT-3.1.2-11', 'MQTT-3.1.2-18', 'MQTT-3.1.2-20'],
    '5.0': ['MQTT-3.1.2-16', 'MQTT-3.1.2-18'],
  },
  'refuses payload fields that no flag announces',
  (t) => [
    ['one field more', { payload: Buffer.concat(anyFields) }],
    ['two fields more', { payload: Buffer.concat([...anyFields, field('and more')]) }],
    [
      'a password without its flag',
      { flags: 0x82, payload: Buffer.concat([...anyFields, field('secret')]) },
    ],
    [
      'a user name without its flag after a will',
      {
        flags: 0x06,
        payload: Buffer.concat([
          field(t.clientId()),
          t.isV5 ? Buffer.of(0) : Buffer.alloc(0),
          field(t.topic()),
          field('will'),
          field('user'),
        ]),
      },
    ],
  ],
);

refuses(
  {
    '3.1.1': ['MQTT-3.1.2-19', 'MQTT-3.1.2-21'],
    '5.0': ['MQTT-3.1.2-17', 'MQTT-3.1.2-19'],
  },
  'refuses a User Name Flag or Password Flag without its field',
  () => [
    ['User Name Flag', { flags: 0x82 }],
    ['Password Flag', { flags: 0xc2, payload: Buffer.concat(anyFields) }],
  ],
);

refuses({ '3.1.1': ['MQTT-3.1.2-22'] }, 'refuses a password without a user name', () => [
  ['password only', { password: 'secret' }],
]);

refuses(
  { '3.1.1': ['MQTT-3.1.3-3'], '5.0': ['MQTT-3.1.3-3'] },
  'refuses CONNECT with an empty payload',
  () => [['empty payload', { payload: Buffer.alloc(0) }]],
);

const texts: readonly (readonly [string, Text])[] = [...illFormedTexts, ['U+0000', nulText]];

refuses(
  {
    '3.1.1': ['MQTT-1.5.3-1', 'MQTT-1.5.3-2', 'MQTT-3.1.3-4'],
    '5.0': ['MQTT-1.5.4-1', 'MQTT-1.5.4-2', 'MQTT-3.1.3-4'],
  },
  'refuses a client id that is no UTF-8 or holds U+0000',
  () => texts.map(([what, clientId]) => [what, { clientId }] as const),
);

refuses(
  {
    '3.1.1': ['MQTT-1.5.3-1', 'MQTT-1.5.3-2', 'MQTT-3.1.3-10'],
    '5.0': ['MQTT-1.5.4-1', 'MQTT-1.5.4-2', 'MQTT-3.1.3-11'],
  },
  'refuses a will topic that is no UTF-8 or holds U+0000',
  () => texts.map(([what, topic]) => [what, { will: { topic, payload: 'x' } }] as const),
);

refuses(
  {
    '3.1.1': ['MQTT-1.5.3-1', 'MQTT-1.5.3-2', 'MQTT-3.1.3-11'],
    '5.0': ['MQTT-1.5.4-1', 'MQTT-1.5.4-2', 'MQTT-3.1.3-12'],
  },
  'refuses a user name that is no UTF-8 or holds U+0000',
  () => texts.map(([what, username]) => [what, { username, password: 'x' }] as const),
);

refuses(
  {
    '3.1.1': ['MQTT-4.7.1-1', 'MQTT-4.7.3-1'],
    '5.0': ['MQTT-4.7.0-1', 'MQTT-4.7.3-1'],
  },
  'refuses a will topic that is empty or has wildcards',
  (t) =>
    ['', t.topic('#'), t.topic('+'), '+/a'].map(
      (topic) => [`will topic "${topic}"`, { will: { topic, payload: 'x' } }] as const,
    ),
);

test(
  { '3.1.1': ['MQTT-2.2.2-2'], '5.0': ['MQTT-2.1.3-1'] },
  'refuses CONNECT with fixed-header flags',
  async (t) => {
    for (const flags of [1, 2, 8, 15]) {
      const bytes = build.connect(t.version, { clientId: t.clientId() });
      bytes[0] |= flags;
      await expectRefused(t, `first byte 0x${bytes[0].toString(16)}`, bytes);
    }
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.1.0-1'],
    '5.0': ['MQTT-3.1.0-1', 'MQTT-3.14.0-1'],
  },
  'closes without a word when the first packet is not CONNECT',
  async (t) => {
    const packets: Readonly<Record<string, Buffer>> = {
      publish: build.publish(t.version, { topic: t.topic(), payload: 'x' }),
      'publish at QoS 1': build.publish(t.version, { topic: t.topic(), qos: 1, packetId: 1 }),
      puback: build.ack(t.version, 'puback', 1),
      pubrel: build.ack(t.version, 'pubrel', 1),
      subscribe: build.subscribe(t.version, { packetId: 1, filters: [{ filter: '#' }] }),
      unsubscribe: build.unsubscribe(t.version, { packetId: 1, filters: ['#'] }),
      pingreq: build.pingreq(),
      disconnect: build.disconnect(t.version),
      auth: build.auth({ reasonCode: 0x18, properties: { authenticationMethod: 'x' } }),
      connack: Buffer.of(0x20, 2, 0, 0),
      'type 0': Buffer.of(0, 0),
    };
    for (const [what, bytes] of Object.entries(packets)) {
      const client = await t.open();
      client.readRaw();
      client.send(bytes);
      await client.until(`a close after ${what}`, () => client.isClosed);
      equal(client.rawBytes.toString('hex'), '', `answer to ${what}`);
    }
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.1.0-2', 'MQTT-4.8.0-1'],
    '5.0': ['MQTT-3.1.0-2', 'MQTT-3.2.0-2', 'MQTT-4.13.1-1'],
  },
  'closes at a second CONNECT and sends no second CONNACK',
  async (t) => {
    const bystander = await t.connect();
    const client = await t.connect();
    client.sendConnect({});
    await client.expectClosed({ codes: t.isV5 ? [0x82] : [] });
    ok(client.connack?.reasonCode === 0, 'the first CONNACK only', 'another one');
    await bystander.ping();
  },
);

test(
  { '3.1.1': ['MQTT-3.1.2-1'], '5.0': ['MQTT-3.1.2-1'] },
  'accepts no CONNECT with another protocol name',
  async (t) => {
    for (const protocolName of ['MQTX', 'mqtt', 'MQTT2', '', 'MQIsdp\u{1F600}']) {
      const client = await t.open();
      client.readRaw();
      client.send(build.connect(t.version, { protocolName, clientId: client.clientId }));
      await client.until(`a close after protocol name "${protocolName}"`, () => client.isClosed);
      // CONNACK of 3.1.1 with return code 1, or of 5.0 with 0x84, or nothing.
      const answer = client.rawBytes.toString('hex');
      ok(['', '20020001', '2003008400'].includes(answer), 'a refusal or nothing', answer);
    }
  },
);

test(
  { '3.1.1': ['MQTT-3.1.2-2'] },
  'answers an older protocol level than its own with CONNACK 0x01',
  async (t) => {
    for (const level of [0, 1, 2]) {
      const client = await t.open();
      client.readRaw();
      client.send(build.connect(4, { level, clientId: client.clientId }));
      await client.until('a close', () => client.isClosed);
      equal(client.rawBytes.toString('hex'), '20020001', `answer to level ${level}`);
    }
  },
);

test(
  { '3.1.1': ['MQTT-3.1.2-2'], '5.0': ['MQTT-3.1.2-2'] },
  'refuses a protocol level that it does not know',
  async (t) => {
    for (const level of [6, 7, 127]) {
      const client = await t.open();
      client.readRaw();
      client.send(build.connect(t.version, { level, clientId: client.clientId }));
      await client.until('a close', () => client.isClosed);
      // 3.1.1 wants CONNACK 0x01; 5.0 leaves the server the choice of 0x84, 0x01 or nothing.
      const answers = ['20020001', '2003008400', ...(t.isV5 ? [''] : [])];
      const answer = client.rawBytes.toString('hex');
      ok(answers.includes(answer), `one of ${answers.join(', ')}`, `${answer} to level ${level}`);
    }
  },
);
