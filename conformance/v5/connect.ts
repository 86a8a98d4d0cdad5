/** CONNECT and CONNACK of 5.0 (sections 3.1, 3.2). */
import { equal, ok, oneOf } from '../expect.js';
import * as build from '../raw/build.js';
import { propertyBytes } from '../raw/properties.js';
import { test } from '../registry.js';

test(
  { '5.0': ['MQTT-3.1.3-7', 'MQTT-3.2.2-16'] },
  'returns the client id that it assigned, under which the session is found again',
  async (t) => {
    const first = await t.connect({
      clientId: '',
      properties: { sessionExpiryInterval: 60 },
    });
    const clientId = String(first.connack?.properties.assignedClientIdentifier ?? '');
    ok(clientId !== '', 'an Assigned Client Identifier', 'none');
    await first.subscribe(t.topic(), 1);
    await first.disconnect();
    const again = await t.connect({ clientId, isDurable: true });
    equal(again.connack?.sessionPresent, true, 'Session Present');
    equal(again.connack?.properties.assignedClientIdentifier, undefined, 'assigned id');
  },
);

test(
  { '5.0': ['MQTT-3.1.3-8'] },
  'refuses an empty client id when it is set to: at most CONNACK 0x85, then a close',
  async (t) => {
    const client = await t.begin({ clientId: '' });
    await client.expectClosed({ codes: [0x85, 0x82, 0x80] });
  },
  { profile: 'restricted' },
);

test(
  { '5.0': ['MQTT-3.1.2-19'] },
  'takes a password without a user name as well formed',
  async (t) => {
    const client = await t.begin({ password: 'alone' });
    await client.until('an answer', () => client.packets.length > 0 || client.isClosed);
    ok(client.packets.length > 0, 'CONNACK', 'a close');
    // Refusing the credentials is allowed; calling the packet malformed is not.
    oneOf(client.packets[0].reasonCode, [0x00, 0x86, 0x87], 'code');
  },
);

test(
  { '5.0': ['MQTT-3.2.2-2', 'MQTT-3.1.2-4'] },
  'answers Clean Start with Session Present 0 and drops what the session had in flight',
  async (t) => {
    const [publisher, first] = await t.connectAll({}, { isDurable: true });
    await first.subscribe(t.topic(), 2);
    await publisher.publish(t.topic(), 'in flight', { qos: 2 });
    const message = await first.expect('publish');
    first.send(build.ack(5, 'pubrec', message.packetId));
    await first.expect('pubrel');
    first.cut();
    const { clientId } = first;
    const again = await t.connect({
      clientId,
      clean: true,
      properties: { sessionExpiryInterval: 60 },
    });
    equal(again.connack?.sessionPresent, false, 'Session Present');
    await again.expectNothing(publisher, 1);
  },
);

const duplicates: readonly (readonly [string, Buffer])[] = [
  ['Session Expiry Interval', propertyBytes({ sessionExpiryInterval: 1 })],
  ['Receive Maximum', propertyBytes({ receiveMaximum: 5 })],
  ['Maximum Packet Size', propertyBytes({ maximumPacketSize: 500 })],
  ['Topic Alias Maximum', propertyBytes({ topicAliasMaximum: 5 })],
  ['Request Response Information', propertyBytes({ requestResponseInformation: 1 })],
  ['Request Problem Information', propertyBytes({ requestProblemInformation: 1 })],
];

test(
  { '5.0': ['MQTT-3.1.4-1', 'MQTT-4.13.1-1'] },
  'refuses CONNECT with properties that are twice there, wrong, unknown or misplaced',
  async (t) => {
    const wrong: (readonly [string, Buffer])[] = [
      ...duplicates.map(
        ([name, bytes]) => [`${name} twice`, Buffer.concat([bytes, bytes])] as const,
      ),
      ['Receive Maximum 0', propertyBytes({ receiveMaximum: 0 })],
      ['Maximum Packet Size 0', propertyBytes({ maximumPacketSize: 0 })],
      ['Request Response Information 2', propertyBytes({ requestResponseInformation: 2 })],
      ['Request Problem Information 2', propertyBytes({ requestProblemInformation: 2 })],
      ['Authentication Data without a method', propertyBytes({ authenticationData: 'x' })],
      ['Topic Alias', propertyBytes({ topicAlias: 1 })],
      ['Will Delay Interval', propertyBytes({ willDelayInterval: 1 })],
      ['Server Keep Alive', propertyBytes({ serverKeepAlive: 1 })],
      ['property 0x7f', Buffer.of(0x7f, 0)],
      ['property 0x00', Buffer.of(0x00, 0)],
      ['a cut property', Buffer.of(0x11, 0, 0)],
    ];
    for (const [what, properties] of wrong) {
      const client = await t.begin({ properties });
      await refused(what, client.expectClosed({ codes: [0x80, 0x81, 0x82] }));
    }
  },
);

test(
  { '5.0': ['MQTT-3.1.4-1', 'MQTT-4.13.1-1', 'MQTT-3.3.2-14'] },
  'refuses CONNECT with wrong will properties',
  async (t) => {
    const twice = propertyBytes({ willDelayInterval: 1 });
    const wrong: (readonly [string, Buffer])[] = [
      ['Will Delay Interval twice', Buffer.concat([twice, twice])],
      ['Topic Alias', propertyBytes({ topicAlias: 1 })],
      ['Session Expiry Interval', propertyBytes({ sessionExpiryInterval: 1 })],
      ['Response Topic with a wildcard', propertyBytes({ responseTopic: 'a/#' })],
      ['Content Type that is no UTF-8', propertyBytes({ contentType: Buffer.of(0xff) })],
    ];
    for (const [what, properties] of wrong) {
      const client = await t.begin({ will: { topic: t.topic(), payload: 'x', properties } });
      await refused(what, client.expectClosed({ codes: [0x80, 0x81, 0x82, 0x90] }));
    }
  },
);

test({ '5.0': ['MQTT-3.1.2-28'] }, 'returns no Response Information unless asked', async (t) => {
  for (const properties of [{}, { requestResponseInformation: 0 }]) {
    const client = await t.connect({ properties });
    equal(client.connack?.properties.responseInformation, undefined, 'Response Information');
  }
  await t.connect({ properties: { requestResponseInformation: 1 } });
});

test(
  { '5.0': ['MQTT-3.2.2-19', 'MQTT-3.2.2-20', 'MQTT-3.1.2-24'] },
  'keeps a refusing CONNACK within the Maximum Packet Size of the client',
  async (t) => {
    const credentials = { ...t.broker.credentials, password: 'wrong' };
    const client = await t.begin({ ...credentials, properties: { maximumPacketSize: 10 } });
    await client.expectClosed({ codes: [0x86, 0x87] });
    ok((client.connack?.bytes.length ?? 0) <= 10, 'CONNACK of at most 10 bytes', 'a larger one');
  },
  { profile: 'access' },
);

async function refused(what: string, closed: Promise<number>): Promise<void> {
  try {
    await closed;
  } catch (error) {
    if (error instanceof Error) error.message = `${what}: ${error.message}`;
    throw error;
  }
}
