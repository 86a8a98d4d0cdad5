/** Enhanced authentication (sections 3.15, 4.12), with SCRAM-SHA-256. */
import { user } from '../brokers/profiles.js';
import { ScramClient } from '../brokers/scram-line.js';
import type { TestContext } from '../context.js';
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import type { Packet } from '../raw/packet.js';
import type { RawClient } from '../raw-client.js';
import { test } from '../registry.js';

const METHOD = 'SCRAM-SHA-256';
const inScram = { profile: 'scram' } as const;
const REFUSALS = [0x80, 0x81, 0x82, 0x83, 0x86, 0x87, 0x8c];

const scram = (password: string = user.password) => new ScramClient(user.username, password);

/** CONNECT with the first message of an exchange. */
function begin(t: TestContext, exchange: ScramClient, extra: object = {}): Promise<RawClient> {
  const authenticationData = exchange.first();
  return t.begin({ properties: { authenticationMethod: METHOD, authenticationData, ...extra } });
}

function answer(exchange: ScramClient, challenge: Packet, reasonCode = 0x18): Buffer {
  const data = challenge.properties.authenticationData;
  const authenticationData = exchange.final(Buffer.from(data ?? ''));
  return build.auth({
    reasonCode,
    properties: { authenticationMethod: METHOD, authenticationData },
  });
}

async function connect(t: TestContext, extra: object = {}): Promise<RawClient> {
  const exchange = scram();
  const client = await begin(t, exchange, extra);
  const challenge = await client.expect('auth');
  equal(challenge.reasonCode, 0x18, 'reason code of AUTH');
  equal(challenge.properties.authenticationMethod, METHOD, 'method in AUTH');
  client.send(answer(exchange, challenge));
  const connack = await client.expect('connack');
  equal(connack.reasonCode, 0x00, 'CONNACK code');
  equal(connack.properties.authenticationMethod, METHOD, 'method in CONNACK');
  const proof = Buffer.from(connack.properties.authenticationData ?? '');
  ok(exchange.isServer(proof), 'the signature of the server', proof.toString());
  return client;
}

test(
  {
    '5.0': ['MQTT-4.12.0-2', 'MQTT-4.12.0-5', 'MQTT-3.15.2-1', 'MQTT-3.2.0-1'],
  },
  'authenticates with SCRAM-SHA-256: AUTH 0x18, then CONNACK 0x00 with the same method',
  async (t) => {
    const client = await connect(t);
    await client.subscribe(t.topic(), 1);
    await client.publish(t.topic(), 'x', { qos: 1 });
    await client.receive();
  },
  inScram,
);

test(
  { '5.0': ['MQTT-4.12.0-4', 'MQTT-3.1.4-2'] },
  'refuses wrong data at each step of an authentication, and closes',
  async (t) => {
    const wrong = scram('wrong');
    const client = await begin(t, wrong);
    client.send(answer(wrong, await client.expect('auth')));
    await client.expectClosed({ codes: REFUSALS });
    for (const authenticationData of ['n,,', 'y,,n=alice', 'n,,n=alice,r=', '\u{FEFF}']) {
      const properties = { authenticationMethod: METHOD, authenticationData };
      const first = await t.begin({ properties });
      await first.expectClosed({ codes: REFUSALS });
    }
    // Without data the server may ask for it first.
    const none = await t.begin({ properties: { authenticationMethod: METHOD } });
    none.send(build.auth({ reasonCode: 0x18, properties: { authenticationMethod: METHOD } }));
    const isAuth = (packet: Packet) => packet.type === 'auth';
    await none.until('an answer', () => none.isClosed || none.packets.some(isAuth));
    none.packets.splice(0, none.packets.filter(isAuth).length);
    await none.expectClosed({ codes: REFUSALS });
  },
  inScram,
);

test(
  { '5.0': ['MQTT-4.12.0-3', 'MQTT-4.12.0-5', 'MQTT-3.15.1-1'] },
  'closes at an answer with another code, another method, or flags',
  async (t) => {
    const authenticationData = 'c=biws,r=x,p=x';
    const wrong = [
      build.auth({ reasonCode: 0x19, properties: { authenticationMethod: METHOD } }),
      build.auth({ reasonCode: 0x00, properties: { authenticationMethod: METHOD } }),
      build.auth({
        reasonCode: 0x18,
        properties: { authenticationMethod: 'PLAIN', authenticationData },
      }),
      build.auth({ reasonCode: 0x18, properties: { authenticationData } }),
      build.auth({
        reasonCode: 0x18,
        properties: { authenticationMethod: METHOD, authenticationData },
        firstByte: 0xf1,
      }),
    ];
    for (const bytes of wrong) {
      const client = await begin(t, scram());
      await client.expect('auth');
      client.send(bytes);
      await client.expectClosed({ codes: REFUSALS });
    }
  },
  inScram,
);

test(
  { '5.0': ['MQTT-3.1.2-30', 'MQTT-3.1.4-6'] },
  'closes at any packet but AUTH and DISCONNECT before CONNACK',
  async (t) => {
    const packets = [
      build.publish(5, { topic: t.topic(), payload: 'x' }),
      build.subscribe(5, { packetId: 1, filters: [{ filter: t.topic() }] }),
      build.pingreq(),
    ];
    for (const bytes of packets) {
      const client = await begin(t, scram());
      await client.expect('auth');
      client.send(bytes);
      await client.expectClosed({ codes: REFUSALS });
    }
    const leaving = await begin(t, scram());
    await leaving.expect('auth');
    leaving.send(build.disconnect(5));
    await leaving.expectClosed();
  },
  inScram,
);

test(
  { '5.0': ['MQTT-3.15.2-1', 'MQTT-3.2.0-2', 'MQTT-4.12.0-5'] },
  'authenticates again with AUTH 0x19: AUTH 0x18, then AUTH 0x00, and no second CONNACK',
  async (t) => {
    const client = await connect(t);
    await client.subscribe(t.topic(), 1);
    for (let turn = 0; turn < 2; turn++) {
      const exchange = scram();
      const authenticationData = exchange.first();
      const properties = { authenticationMethod: METHOD, authenticationData };
      client.send(build.auth({ reasonCode: 0x19, properties }));
      const challenge = await client.expect('auth');
      equal(challenge.reasonCode, 0x18, 'reason code');
      // Other packets go on in between.
      await client.publish(t.topic(), 'x', { qos: 1 });
      await client.receive();
      client.send(answer(exchange, challenge));
      const success = await client.expect('auth');
      equal(success.reasonCode, 0x00, 'reason code');
      equal(success.properties.authenticationMethod, METHOD, 'method');
    }
    await client.publish(t.topic(), 'x', { qos: 1 });
    await client.receive();
  },
  inScram,
);

test(
  { '5.0': ['MQTT-4.12.1-1', 'MQTT-4.12.1-2'] },
  'closes when a re-authentication fails, or uses another method',
  async (t) => {
    const wrong = scram('wrong');
    const client = await connect(t);
    const properties = { authenticationMethod: METHOD, authenticationData: wrong.first() };
    client.send(build.auth({ reasonCode: 0x19, properties }));
    client.send(answer(wrong, await client.expect('auth')));
    await client.expectClosed({ codes: REFUSALS });
    const other = await connect(t);
    other.send(build.auth({ reasonCode: 0x19, properties: { authenticationMethod: 'PLAIN' } }));
    await other.expectClosed({ codes: REFUSALS });
  },
  inScram,
);

test(
  { '5.0': ['MQTT-3.15.2-2', 'MQTT-3.15.2-3'] },
  'keeps AUTH within the Maximum Packet Size of the client',
  async (t) => {
    const client = await connect(t, { maximumPacketSize: 220 });
    await client.ping();
    // Too small for the challenge itself: it must not come, and nothing else gets in.
    const tiny = await begin(t, scram(), { maximumPacketSize: 30 });
    const properties = { authenticationMethod: METHOD, authenticationData: 'c=biws,r=x,p=x' };
    tiny.send(build.auth({ reasonCode: 0x18, properties }));
    await tiny.expectClosed({ codes: [...REFUSALS, 0x95] });
  },
  inScram,
);

test(
  { '5.0': ['MQTT-4.12.0-1'] },
  'refuses an Authentication Method that it does not have',
  async (t) => {
    const properties = { authenticationMethod: 'NO-SUCH-METHOD', authenticationData: 'x' };
    const client = await t.begin({ properties });
    await client.expectClosed({ codes: [0x8c, 0x87] });
  },
);

test(
  { '5.0': ['MQTT-4.12.0-7', 'MQTT-4.12.0-6', 'MQTT-3.15.1-1'] },
  'closes at AUTH on a connection without an Authentication Method',
  async (t) => {
    const properties = { authenticationMethod: METHOD };
    const forms = [
      build.auth({ reasonCode: 0x18, properties }),
      build.auth({ reasonCode: 0x19, properties }),
      build.auth({}),
      build.auth({ reasonCode: 0x19, properties, firstByte: 0xf2 }),
    ];
    for (const bytes of forms) {
      const client = await t.connect();
      equal(client.connack?.properties.authenticationMethod, undefined, 'method in CONNACK');
      client.send(bytes);
      await client.expectClosed({ codes: [0x81, 0x82, 0x8c] });
    }
  },
);
