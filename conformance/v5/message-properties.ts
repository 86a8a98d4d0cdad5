/** Properties of PUBLISH on their way through the broker (section 3.3.2.3). */
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { illFormedTexts, nulText } from '../raw/bytes.js';
import type { Packet } from '../raw/packet.js';
import { type Properties, propertyBytes } from '../raw/properties.js';
import { test } from '../registry.js';

const feff = '\u{FEFF}';
const userProperties = [
  ['a', '1'],
  ['b', '2'],
  ['a', '3'],
  ['', ''],
  [`${feff}key`, `value${feff}`],
  ['a', '1'],
] as const;
const all = {
  payloadFormatIndicator: 1,
  contentType: `text/${feff}plain`,
  responseTopic: 'answers/to/me',
  correlationData: Buffer.of(0, 1, 2, 0xff, 0),
  userProperties,
} satisfies Properties;

function checkAll(message: Packet, how: string): void {
  for (const name of Object.keys(all) as (keyof typeof all)[]) {
    equal(message.properties[name], all[name], `${name} ${how}:`);
  }
}

const statements = [
  'MQTT-3.3.2-4',
  'MQTT-3.3.2-15',
  'MQTT-3.3.2-16',
  'MQTT-3.3.2-17',
  'MQTT-3.3.2-18',
  'MQTT-3.3.2-20',
];

test(
  { '5.0': [...statements, 'MQTT-1.5.4-3'] },
  'forwards the properties of a message unchanged, live, queued and retained',
  async (t) => {
    const [publisher, live, away] = await t.connectAll({}, {}, { isDurable: true });
    await live.subscribe(t.topic(), 2);
    await away.subscribe(t.topic(), 2);
    await away.disconnect();
    for (const qos of [0, 1, 2]) {
      await publisher.publish(t.topic(), 'text', { qos, properties: all });
      checkAll(await live.receive(), `live at QoS ${qos}`);
    }
    const again = await t.connect({ clientId: away.clientId, isDurable: true });
    for (const one of await again.receiveAll(2)) checkAll(one, 'from the queue');
    const topic = t.willRetain(t.topic('retained'));
    await publisher.publish(topic, 'text', { qos: 1, retain: true, properties: all });
    const later = await t.connect();
    await later.subscribe(topic, 1);
    checkAll(await later.receive(), 'retained');
  },
);

test(
  { '5.0': ['MQTT-3.1.3-10', 'MQTT-3.3.2-15', 'MQTT-3.3.2-16', 'MQTT-3.3.2-20', 'MQTT-3.3.2-4'] },
  'publishes a will with its properties, User Properties in order',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic(), 1);
    const client = await t.connect({ will: { topic: t.topic(), payload: 'x', properties: all } });
    client.cut();
    checkAll(await watcher.receive(), 'of the will');
  },
);

test(
  { '5.0': ['MQTT-3.3.2-4', 'MQTT-3.3.2-16', 'MQTT-3.3.2-17'] },
  'adds no property to a message, and keeps empty ones',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 1);
    await publisher.publish(t.topic(), 'bare', { qos: 1 });
    equal((await client.receive()).properties, {}, 'properties');
    const empty = { payloadFormatIndicator: 0, contentType: '', correlationData: Buffer.alloc(0) };
    await publisher.publish(t.topic(), 'empty', { qos: 1, properties: empty });
    const { properties } = await client.receive();
    // A sender may leave out a Payload Format Indicator of 0 only if it changes nothing: it does.
    equal(properties, empty, 'properties');
  },
);

/** PUBLISH with wrong properties: refused with a code, or closed; never delivered. */
async function refuses(
  t: Parameters<Parameters<typeof test>[2]>[0],
  cases: readonly (readonly [string, Buffer])[],
  codes: readonly number[],
): Promise<void> {
  const watcher = await t.connect();
  await watcher.subscribe(t.topic('#'), 1);
  for (const [what, properties] of cases) {
    const client = await t.connect();
    client.send(build.publish(5, { topic: t.topic(), qos: 1, packetId: 1, properties }));
    await client.until('an answer', () => client.packets.length > 0 || client.isClosed);
    const [first] = client.packets;
    if (first?.type === 'puback') {
      ok(first.reasonCode >= 0x80, `${what}: a refusal`, `PUBACK ${first.reasonCode}`);
      continue;
    }
    try {
      await client.expectClosed({ codes });
    } catch (error) {
      if (error instanceof Error) error.message = `${what}: ${error.message}`;
      throw error;
    }
  }
  await watcher.expectNothing(watcher, 1);
}

test(
  {
    '5.0': ['MQTT-1.5.4-1', 'MQTT-1.5.4-2', 'MQTT-1.5.7-1', 'MQTT-3.3.2-13', 'MQTT-3.3.2-19'],
  },
  'closes at properties of PUBLISH that are no UTF-8 or hold U+0000',
  async (t) => {
    const cases = [...illFormedTexts, ['U+0000', nulText] as const].flatMap(([what, text]) => [
      [`Content Type: ${what}`, propertyBytes({ contentType: text })] as const,
      [`Response Topic: ${what}`, propertyBytes({ responseTopic: text })] as const,
      [`user property name: ${what}`, propertyBytes({ userProperties: [[text, 'x']] })] as const,
      [`user property value: ${what}`, propertyBytes({ userProperties: [['x', text]] })] as const,
    ]);
    await refuses(t, cases, [0x81, 0x82, 0x90]);
  },
);

test(
  { '5.0': ['MQTT-3.3.2-14', 'MQTT-4.7.0-1'] },
  'refuses a Response Topic with wildcards, or closes',
  async (t) => {
    const cases = ['a/#', '+', '#', 'a/+/b'].map(
      (responseTopic) => [responseTopic, propertyBytes({ responseTopic })] as const,
    );
    await refuses(t, cases, [0x81, 0x82, 0x90]);
  },
);

test(
  { '5.0': ['MQTT-3.3.4-6'] },
  'closes at a PUBLISH with a Subscription Identifier',
  async (t) => {
    const properties = propertyBytes({ subscriptionIdentifiers: [1] });
    await refuses(t, [['Subscription Identifier', properties]], [0x81, 0x82]);
  },
);

test(
  { '5.0': ['MQTT-4.13.1-1'] },
  'closes at properties of PUBLISH that are twice there, unknown, wrong or misplaced',
  async (t) => {
    const twice = (properties: Properties) => {
      const bytes = propertyBytes(properties);
      return Buffer.concat([bytes, bytes]);
    };
    const cases: (readonly [string, Buffer])[] = [
      ['Content Type twice', twice({ contentType: 'x' })],
      ['Response Topic twice', twice({ responseTopic: 'x' })],
      ['Correlation Data twice', twice({ correlationData: 'x' })],
      ['Message Expiry Interval twice', twice({ messageExpiryInterval: 9 })],
      ['Payload Format Indicator twice', twice({ payloadFormatIndicator: 0 })],
      ['Session Expiry Interval', propertyBytes({ sessionExpiryInterval: 9 })],
      ['Reason String', propertyBytes({ reasonString: 'x' })],
      ['property 0x7f', Buffer.of(0x7f, 0)],
      ['a cut property', Buffer.of(0x02, 0)],
    ];
    await refuses(t, cases, [0x81, 0x82]);
  },
);
