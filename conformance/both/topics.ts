/** Topic names and filters (section 4.7, and the character rules of 1.5). */
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { describe } from '../raw/packet.js';
import { test } from '../registry.js';

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-4.7.1-2', 'MQTT-4.7.1-3', 'MQTT-4.7.1-1'],
    '5.0': ['MQTT-4.7.1-1', 'MQTT-4.7.1-2', 'MQTT-4.7.0-1'],
  },
  'matches # and + at every level where they may stand',
  async (t) => {
    const publisher = await t.connect();
    // Filter, topics that match, topics that do not.
    const table: readonly (readonly [string, readonly string[], readonly string[]])[] = [
      ['#', ['a', 'a/b', '/', 'a/b/c'], []],
      ['a/#', ['a', 'a/', 'a/b', 'a/b/c'], ['b', '/a', 'ab']],
      ['+', ['a', 'b'], ['a/b', '/a']],
      ['+/+', ['a/b', '/a', 'a/'], ['a', 'a/b/c']],
      ['/+', ['/a', '/'], ['a', 'a/b']],
      ['+/b', ['a/b', '/b'], ['b', 'a/b/', 'a/c']],
      ['a/+/c', ['a/b/c', 'a//c'], ['a/c', 'a/b/b/c']],
      ['+/+/#', ['a/b', 'a/b/c', '/a', 'a/b/c/d'], ['a']],
      ['a//b', ['a//b'], ['a/b', 'a/x/b']],
    ];
    for (const [filter, matching, others] of table) {
      const client = await t.connect();
      await client.subscribe(t.topic(filter), 0);
      for (const topic of [...matching, ...others]) await publisher.publish(t.topic(topic), 'x');
      const messages = await client.fence(publisher, 0);
      const expected = matching.map((topic) => t.topic(topic));
      equal(
        messages.map((one) => one.topic),
        expected,
        `messages for ${filter}:`,
      );
    }
  },
);

test(
  {
    '3.1.1': ['MQTT-4.7.1-2', 'MQTT-4.7.1-3', 'MQTT-4.7.3-1'],
    '5.0': ['MQTT-4.7.1-1', 'MQTT-4.7.1-2', 'MQTT-4.7.3-1'],
  },
  'refuses filters with misplaced wildcards, and empty ones, or closes',
  async (t) => {
    for (const filter of ['a#', 'a/#/b', '#/a', '##', 'a/b#', 'a+', '+a/b', 'a/b+/c', '++', '']) {
      const client = await t.connect();
      client.send(build.subscribe(t.version, { packetId: 1, filters: [{ filter }] }));
      await client.until('a SUBACK or a close', () => client.packets.length > 0 || client.isClosed);
      const [answer] = client.packets;
      if (answer?.type === 'suback') {
        equal(answer.reasonCodes, [t.isV5 ? 0x8f : 0x80], `codes for "${filter}"`);
        await client.ping();
      } else await client.expectClosed({ codes: t.isV5 ? [0x81, 0x82, 0x8f] : [] });
    }
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-4.7.2-1'], '5.0': ['MQTT-4.7.2-1'] },
  'does not match a topic that begins with $ with a filter that begins with a wildcard',
  async (t) => {
    const [publisher, wide, plus, exact] = await t.connectAll({}, {}, {}, {});
    const topic = `$conf-${t.clientId()}/x`;
    await wide.subscribe('#');
    await plus.subscribe('+/x');
    await exact.subscribe(topic.replace('/x', '/#'));
    await publisher.publish(topic, 'dollar');
    // Other tests publish too: only this topic, and $SYS, count.
    const dollars = [...(await wide.fence(publisher)), ...(await plus.fence(publisher))];
    const wrong = dollars.find((one) => one.topic.startsWith('$'));
    ok(wrong === undefined, 'no topic with $', wrong === undefined ? '' : describe(wrong));
    const right = await exact.fence(publisher);
    ok(right.length <= 1 && right.every((one) => one.topic === topic), 'its own topic', 'others');
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-4.7.3-4', 'MQTT-1.5.3-3'],
    '5.0': ['MQTT-4.7.3-4', 'MQTT-1.5.4-3'],
  },
  'neither normalizes nor strips characters of topics',
  async (t) => {
    const [publisher, all] = await t.connectAll({}, {});
    await all.subscribe(t.topic('#'));
    const feff = '\u{FEFF}';
    const names = [
      'é',
      'e\u{301}',
      'A',
      'a',
      `${feff}b`,
      'b',
      `b${feff}`,
      'Å',
      '\u{212B}',
      'ﬁ',
      'fi',
    ];
    const odd = [' ', ' a', '\u{1F600}', '日本/語', 'ſ', 's'];
    for (const name of [...names, ...odd]) {
      const client = await t.connect();
      await client.subscribe(t.topic(name));
      for (const other of [...names, ...odd]) await publisher.publish(t.topic(other), other);
      const messages = await client.fence(publisher);
      equal(messages.length, 1, `messages for ${JSON.stringify(name)}:`);
      equal(messages[0].topicBytes, Buffer.from(t.topic(name)), 'topic bytes');
    }
    const seen = await all.fence(publisher);
    equal(new Set(seen.map((one) => one.topic)).size, names.length + odd.length, 'topics');
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-4.7.3-3'], '5.0': ['MQTT-4.7.3-3'] },
  'delivers on a topic of 65 535 bytes',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic('#'), 1);
    const start = t.topic('');
    const topic = start + 'x'.repeat(65_535 - start.length);
    await publisher.publish(topic, 'long', { qos: 1 });
    const message = await client.receive();
    ok(message.topic === topic, 'the long topic', describe(message));
    const own = await t.connect();
    await own.subscribe(topic, 1);
    await publisher.publish(topic, 'long', { qos: 1 });
    ok((await own.receive()).topic === topic, 'the long topic', 'another one');
  },
);

test(
  { '3.1.1': ['MQTT-4.7.3-3'], '5.0': ['MQTT-4.7.3-3'] },
  'delivers on a topic of 65 535 slashes, or refuses it by a limit',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    const topic = '/'.repeat(65_535);
    const suback = await client
      .subscribe([{ filter: topic, qos: 1 }], 1, { mayRefuse: true })
      .catch(() => null);
    publisher.send(build.publish(t.version, { topic, payload: 'x', qos: 1, packetId: 1 }));
    await publisher.until('an answer', () => publisher.packets.length > 0 || publisher.isClosed);
    const answer = publisher.packets[0];
    if (suback === null || suback.reasonCodes[0] >= 0x80 || answer?.type !== 'puback') return;
    if (answer.reasonCode >= 0x80) return;
    ok((await client.receive()).topic === topic, 'the topic of slashes', 'another one');
  },
  { profile: 'wide' },
);
