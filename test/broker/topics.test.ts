/** Topic names as the core meets them, and the table that remembers them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TopicTable } from '../../src/broker/topics.js';
import { MqttError } from '../../src/protocol/mqtt-error.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { topicTable } from './support/builders.js';

const test = suite('topic table');

const TABLE_SIZE = 1 << 16;

function codeOf(act: () => void): number {
  try {
    act();
  } catch (error) {
    if (error instanceof MqttError) return error.reasonCode;
    throw error;
  }
  return ReasonCode.Success;
}

test('a name is one topic, wherever its bytes lie', () => {
  const table = topicTable(200);
  const topic = table.fromName('a/ä/b');
  const bytes = Buffer.from('..a/ä/b..');
  assert.is(table.resolve(bytes, 2, bytes.length - 2), topic);
  assert.is(topic.name, 'a/ä/b');
  assert.is(topic.block.bytes.toString('utf8', topic.start, topic.end), 'a/ä/b');
});

test('the bytes of the caller may change afterwards', () => {
  const table = topicTable(200);
  const bytes = Buffer.from('one');
  const topic = table.resolve(bytes, 0, 3);
  bytes.write('two');
  assert.is(topic.block.bytes.toString('utf8', topic.start, topic.end), 'one');
  assert.is(table.resolve(bytes, 0, 3).name, 'two');
});

/** Names that share a slot of the table. */
function colliding(table: TopicTable, count: number): string[] {
  const bySlot = new Map<number, string[]>();
  for (let n = 0; ; n++) {
    const name = `topic/${n}`;
    const slot = table.fromName(name).hash & (TABLE_SIZE - 1);
    const names = bySlot.get(slot) ?? [];
    names.push(name);
    if (names.length === count) return names;
    bySlot.set(slot, names);
  }
}

test('names that collide push each other out and are never taken for each other', () => {
  const table = topicTable(200);
  const names = colliding(table, 3);
  for (let round = 0; round < 3; round++) {
    for (const name of names) {
      const topic = table.fromName(name);
      assert.is(topic.name, name);
      assert.is(table.fromName(name), topic);
    }
  }
});

test('a topic that was pushed out keeps its bytes', () => {
  const table = topicTable(200);
  const [first, second] = colliding(table, 2);
  const topic = table.fromName(first!);
  table.fromName(second!);
  for (let n = 0; n < 10_000; n++) table.fromName(`filler/${n}`);
  assert.is(topic.block.bytes.toString('utf8', topic.start, topic.end), first);
});

for (const name of ['', '#', '+', 'a/+/b', 'a/#', 'a+', 'a#b']) {
  test(`"${name}" is no topic name [MQTT-3.3.2-2] [MQTT-4.7.3-1]`, () => {
    assert.is(
      codeOf(() => topicTable(200).fromName(name)),
      ReasonCode.TopicNameInvalid,
    );
  });
}

const illFormed: Readonly<Record<string, readonly number[]>> = {
  'U+0000': [0x61, 0x00],
  'a surrogate': [0xed, 0xa0, 0x80],
  'an overlong form': [0xc0, 0x80],
  'a cut sequence': [0x61, 0xe2, 0x82],
  'a lone continuation': [0x80],
  'above U+10FFFF': [0xf4, 0x90, 0x80, 0x80],
};
for (const [what, bytes] of Object.entries(illFormed)) {
  test(`${what} is Malformed Packet [MQTT-1.5.4-1] [MQTT-1.5.4-2]`, () => {
    const table = topicTable(200);
    const resolve = (): unknown => table.resolve(Buffer.from(bytes), 0, bytes.length);
    assert.is(codeOf(resolve), ReasonCode.MalformedPacket);
    assert.is(codeOf(resolve), ReasonCode.MalformedPacket, 'the second time as well');
  });
}

test('max_topic_levels bounds the levels', () => {
  const table = topicTable(3);
  const code = (name: string): number => codeOf(() => table.check(name));
  assert.is(code('a/b/c'), ReasonCode.Success);
  assert.is(code('a/b/c/d'), ReasonCode.TopicNameInvalid);
  assert.is(code('/'.repeat(65_535)), ReasonCode.TopicNameInvalid);
});

test('max_topic_levels bounds what clients send, not names that the broker makes of it', () => {
  const table = topicTable(3);
  assert.is(table.fromName('$SYS/broker/a/b').levels, 4);
  assert.is(
    codeOf(() => table.check('$SYS/broker/a/b')),
    ReasonCode.TopicNameInvalid,
  );
});

test('a new max_topic_levels holds for names that are known', () => {
  const context = { limits: { topicLevelsMax: 3 } };
  const table = new TopicTable(context);
  const resolve = (): number => codeOf(() => table.check('a/b/c'));
  assert.is(resolve(), ReasonCode.Success);
  context.limits = { topicLevelsMax: 2 };
  assert.is(resolve(), ReasonCode.TopicNameInvalid);
  context.limits = { topicLevelsMax: 3 };
  assert.is(resolve(), ReasonCode.Success);
});

test('a name longer than a PUBLISH can carry, with its mount point, is refused', () => {
  const table = topicTable(200);
  assert.is(table.fromName('x'.repeat(65_535)).name.length, 65_535);
  assert.is(
    codeOf(() => table.fromName('x'.repeat(65_536))),
    ReasonCode.TopicNameInvalid,
  );
});

test.run();
