// slow
/** MQTT.js through every kind of listener, in each version that it speaks. */
import { readFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import type { IClientOptions } from 'mqtt';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../support/until.js';
import { RunningBroker, tlsFixture, tlsLines } from './support/broker.js';
import { TestClient } from './support/test-client.js';

const test = suite('transports');

const tls: IClientOptions = { ca: readFileSync(tlsFixture('ca.crt')), host: 'localhost' };

/** In the order of the broker's listeners. */
const transports: readonly { readonly name: string; readonly options: IClientOptions }[] = [
  { name: 'tcp', options: { protocol: 'mqtt' } },
  { name: 'ws', options: { protocol: 'ws', path: '/mqtt' } },
  { name: 'tls', options: { protocol: 'mqtts', ...tls } },
  { name: 'wss', options: { protocol: 'wss', path: '/', ...tls } },
];
const proxied = transports.length;
const proxiedOld = transports.length + 1;
const mounted = transports.length + 2;

const v31 = { protocolId: 'MQIsdp', protocolVersion: 3 } as const;
const versions: readonly { readonly name: string; readonly options: IClientOptions }[] = [
  { name: '3.1', options: v31 },
  { name: '3.1.1', options: { protocolVersion: 4 } },
  { name: '5.0', options: { protocolVersion: 5 } },
];

let broker: RunningBroker;

test.before(async () => {
  broker = await RunningBroker.start({
    listeners: [
      [],
      ['protocol websockets'],
      tlsLines,
      ['protocol websockets', ...tlsLines],
      ['enable_proxy_protocol 2'],
      ['enable_proxy_protocol 1'],
      ['mount_point tenant/'],
    ],
    more: ['listener 0 FOLDER/mqtt.sock'],
  });
});
test.after.each(() => broker.leave());
test.after(() => broker?.stop());

for (const [listener, transport] of transports.entries()) {
  for (const version of versions) {
    const options = { listener, ...transport.options, ...version.options };

    test(`${transport.name}, ${version.name}: messages of every QoS arrive in order`, async () => {
      const subscriber = await broker.connect(options);
      const publisher = await broker.connect(options);
      await subscriber.subscribe('t/#', 2);

      for (const qos of [0, 1, 2] as const) {
        await Promise.all(
          [0, 1, 2].map((n) => publisher.publish(`t/${qos}`, `${qos}${n}`, { qos })),
        );
      }

      await subscriber.untilMessages(9);
      const seen = subscriber.packets.map(
        ({ topic, payload, qos }) => `${topic} ${payload} ${qos}`,
      );
      const all = [0, 1, 2].flatMap((qos) => [0, 1, 2].map((n) => `t/${qos} ${qos}${n} ${qos}`));
      assert.equal(seen, all);
    });

    test(`${transport.name}, ${version.name}: retained messages and wills`, async () => {
      const will = { topic: 'will/x', payload: Buffer.from('gone'), qos: 1, retain: true } as const;
      const mortal = await broker.connect({ ...options, will });
      await mortal.publish('will/kept', 'kept', { qos: 1, retain: true });
      const watcher = await broker.connect(options);
      await watcher.subscribe('will/#', 1);
      await watcher.untilMessages(1);

      await mortal.cut();

      await watcher.untilMessages(2);
      assert.equal(watcher.payloads, ['kept', 'gone']);
      assert.equal(
        watcher.packets.map(({ retain }) => retain),
        [true, false],
      );
      for (const topic of ['will/kept', 'will/x']) {
        await watcher.publish(topic, '', { qos: 1, retain: true });
      }
    });

    test(`${transport.name}, ${version.name}: 1 MB goes there and comes back`, async () => {
      const client = await broker.connect(options);
      await client.subscribe('large', 1);
      const payload = Buffer.alloc(1_000_000, 'large ');

      await client.publish('large', payload, { qos: 1 });

      const [packet] = await client.untilMessages(1);
      assert.ok(payload.equals(packet.payload as Buffer));
    });
  }
}

test('all listeners are one broker', async () => {
  const clients = await Promise.all(
    transports.map(({ options }, listener) => broker.connect({ listener, ...options })),
  );
  await Promise.all(clients.map((client) => client.subscribe('shared/by/all', 1)));

  for (const [index, client] of clients.entries()) {
    await client.publish('shared/by/all', `${index}`, { qos: 1 });
  }

  for (const client of clients) {
    await client.untilMessages(clients.length);
    assert.equal(client.payloads, ['0', '1', '2', '3']);
  }
});

test('a mount point keeps its clients below it', async () => {
  const inside = await broker.connect({ listener: mounted });
  const outside = await broker.connect();
  await inside.subscribe('#', 1);
  await outside.subscribe('tenant/#', 1);

  await outside.publish('other', 'unseen', { qos: 1 });
  await outside.publish('tenant/in', 'to you', { qos: 1 });
  await inside.publish('out', 'to all', { qos: 1 });

  await inside.untilMessages(2);
  assert.equal(
    inside.packets.map(({ topic }) => topic),
    ['in', 'out'],
  );
  await outside.untilMessages(2);
  assert.equal(
    outside.packets.map(({ topic }) => topic),
    ['tenant/in', 'tenant/out'],
  );
});

test('a Unix socket serves MQTT.js', async () => {
  const path = broker.folder.file('mqtt.sock');
  const client = await broker.connect({ protocol: 'mqtt+unix', unixSocket: true, path });
  await client.subscribe('unix', 1);

  await client.publish('unix', 'hello', { qos: 1 });

  await client.untilMessages(1);
});

const proxyV2 = Buffer.concat([
  Buffer.from('0d0a0d0a000d0a515549540a', 'hex'),
  Buffer.from([0x21, 0x11, 0, 12, 192, 0, 2, 7, 127, 0, 0, 1, 0x9c, 0x40, 0x07, 0x5b]),
]);
const proxyV1 = Buffer.from('PROXY TCP4 192.0.2.9 127.0.0.1 40000 1883\r\n');

for (const { name, listener, header, address } of [
  { name: 'v2', listener: proxied, header: proxyV2, address: '192.0.2.7' },
  { name: 'v1', listener: proxiedOld, header: proxyV1, address: '192.0.2.9' },
]) {
  test(`a PROXY ${name} header names the client`, async () => {
    const port = broker.ports[listener];
    const makeStream = () => {
      const socket = connectSocket({ port, host: '127.0.0.1' });
      socket.write(header);
      return socket;
    };
    const client = TestClient.over(makeStream, { clientId: `behind-${name}` });
    await client.untilConnected();
    await client.subscribe('proxied', 1);

    await client.publish('proxied', 'hello', { qos: 1 });

    await client.untilMessages(1);
    await client.end();
    await until('the address in the log', () =>
      broker.child.lines.some((line) => line.includes(`behind-${name}`) && line.includes(address)),
    );
  });

  test(`without a PROXY ${name} header nobody gets in`, async () => {
    const client = broker.open({ port: broker.ports[listener] });

    await client.untilClosed();

    assert.is(client.connects, 0);
  });
}

test.run();
