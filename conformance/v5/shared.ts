/** Shared subscriptions (section 4.8.2). */
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { describeAll, type Packet } from '../raw/packet.js';
import type { RawClient } from '../raw-client.js';
import { test } from '../registry.js';

/** Takes the next PUBLISH at any of the members, and says whose it is. */
async function takeAtAny(members: readonly RawClient[]): Promise<[RawClient, Packet]> {
  const isMessage = (packet: Packet) => packet.type === 'publish';
  const owner = await Promise.any(
    members.map(async (member) => {
      await member.until('PUBLISH', () => member.packets.some(isMessage));
      return member;
    }),
  );
  return [owner, await owner.takeWhere('PUBLISH', isMessage)];
}

test(
  { '5.0': [] },
  'gives each message to one member of a shared subscription, and to all other subscribers',
  async (t) => {
    const [publisher, plain, one, two] = await t.connectAll({}, {}, {}, {});
    const group = `$share/${t.clientId()}/`;
    await one.subscribe(group + t.topic('+'), 1);
    await two.subscribe(group + t.topic('+'), 1);
    await plain.subscribe(t.topic('#'), 1);
    for (let at = 0; at < 10; at++) await publisher.publish(t.topic(`${at}`), '', { qos: 1 });
    const all = [...(await one.fence(publisher, 0)), ...(await two.fence(publisher, 0))];
    const expected = Array.from({ length: 10 }, (_, at) => t.topic(`${at}`));
    equal(all.map((packet) => packet.topic).toSorted(), expected, 'topics at all members');
    equal(
      (await plain.receiveAll(10)).map((packet) => packet.topic),
      expected,
      'topics',
    );
  },
);

test(
  { '5.0': ['MQTT-4.8.2-1', 'MQTT-4.8.2-2'] },
  'refuses a shared subscription without a share name or a filter, or closes',
  async (t) => {
    const filters = [
      '$share//a',
      '$share/',
      '$share/g',
      '$share/g/',
      '$share/g+/a',
      '$share/#/a',
      '$share/+/a',
      '$share/g/a#',
    ];
    for (const filter of filters) {
      const client = await t.connect();
      client.send(build.subscribe(5, { packetId: 1, filters: [{ filter }] }));
      await client.until('an answer', () => client.packets.length > 0 || client.isClosed);
      const [answer] = client.packets;
      if (answer?.type === 'suback') equal(answer.reasonCodes, [0x8f], `codes for "${filter}"`);
      else await client.expectClosed({ codes: [0x81, 0x82, 0x8f] });
    }
  },
);

test(
  { '5.0': ['MQTT-4.8.2-3'] },
  'sends each member its messages at most at its own granted QoS',
  async (t) => {
    const publisher = await t.connect();
    const group = `$share/${t.clientId()}/${t.topic()}`;
    const members = await Promise.all([0, 1, 2].map(() => t.connect()));
    for (const [qos, member] of members.entries()) await member.subscribe(group, qos);
    for (let at = 0; at < 12; at++) await publisher.publish(t.topic(), `${at}`, { qos: 2 });
    let count = 0;
    for (const [qos, member] of members.entries()) {
      const own = await member.fence(publisher, 0);
      count += own.length;
      ok(
        own.every((packet) => packet.qos === qos),
        `QoS ${qos}`,
        describeAll(own),
      );
    }
    equal(count, 12, 'messages at all members');
  },
);

test(
  { '5.0': ['MQTT-4.8.2-4'] },
  'completes a QoS 2 delivery with the member that it began with, when that one reconnects',
  async (t) => {
    const publisher = await t.connect();
    const group = `$share/${t.clientId()}/${t.topic()}`;
    const members = await t.connectAll({ isDurable: true }, { isDurable: true });
    for (const member of members) await member.subscribe(group, 2);
    for (const isReceived of [false, true]) {
      await publisher.publish(t.topic(), 'x', { qos: 2 });
      const [owner, message] = await takeAtAny(members);
      const other = members.find((member) => member !== owner) as RawClient;
      if (isReceived) {
        owner.send(build.ack(5, 'pubrec', message.packetId));
        await owner.take('pubrel', message.packetId);
      }
      owner.cut();
      const again = await t.connect({ clientId: owner.clientId, isDurable: true });
      const resent = await again.expect(isReceived ? 'pubrel' : 'publish', message.packetId);
      if (!isReceived) await again.acknowledge(resent);
      else again.send(build.ack(5, 'pubcomp', message.packetId));
      await other.expectNothing(publisher, 0);
      members[members.indexOf(owner)] = again;
    }
  },
);

test(
  { '5.0': ['MQTT-4.8.2-5'] },
  'gives a QoS 2 message whose delivery has begun to no other member when the session ends',
  async (t) => {
    const publisher = await t.connect();
    const group = `$share/${t.clientId()}/${t.topic()}`;
    const members = await t.connectAll({ isDurable: true }, { isDurable: true });
    for (const member of members) await member.subscribe(group, 2);
    await publisher.publish(t.topic(), 'x', { qos: 2 });
    const [owner] = await takeAtAny(members);
    const other = members.find((member) => member !== owner) as RawClient;
    const properties = { sessionExpiryInterval: 0 };
    await owner.disconnect({ reasonCode: 0, properties });
    await other.expectNothing(publisher, 0);
    const again = await t.connect({ clientId: owner.clientId, isDurable: true });
    equal(again.connack?.sessionPresent, false, 'Session Present');
    await again.expectNothing(publisher, 0);
    await other.expectNothing(publisher, 0);
  },
);

test(
  { '5.0': ['MQTT-4.8.2-6'] },
  'discards a message that a member refuses, and tries no other one',
  async (t) => {
    const publisher = await t.connect();
    const group = `$share/${t.clientId()}/${t.topic()}`;
    const members = await t.connectAll({}, {});
    for (const member of members) await member.subscribe(group, 2);
    for (const qos of [1, 2]) {
      await publisher.publish(t.topic(), 'x', { qos });
      const [owner, message] = await takeAtAny(members);
      const type = qos === 1 ? 'puback' : 'pubrec';
      owner.send(build.ack(5, type, message.packetId, { reasonCode: 0x80 }));
      for (const member of members) await member.expectNothing(publisher, 0);
    }
  },
);
