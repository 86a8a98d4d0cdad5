/** Topic aliases, both ways (MQTT 5.0 section 3.3.2.3.4). */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InboundAliases } from '../../src/broker/inbound-aliases.js';
import { OutboundAliases } from '../../src/broker/outbound-aliases.js';
import { MqttError } from '../../src/protocol/mqtt-error.js';
import { PublishExtras } from '../../src/protocol/publish-writer.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { topicNameOf, topicTable } from './support/builders.js';

const test = suite('topic aliases');

const topics = topicTable(200);

function codeOf(act: () => void): number {
  try {
    act();
  } catch (error) {
    if (error instanceof MqttError) return error.reasonCode;
    throw error;
  }
  return ReasonCode.Success;
}

test('an alias stands for the topic it was set to last', () => {
  const aliases = new InboundAliases(10);
  const [first, second] = [topics.fromName('one'), topics.fromName('two')];
  aliases.set(10, first);
  aliases.set(1, second);
  assert.is(aliases.get(10), first);
  aliases.set(10, second);
  assert.is(aliases.get(10), second);
});

test('an alias above the maximum is 0x94, set or used [MQTT-3.3.2-9]', () => {
  const aliases = new InboundAliases(10);
  assert.is(
    codeOf(() => aliases.set(11, topics.fromName('one'))),
    ReasonCode.TopicAliasInvalid,
  );
  assert.is(
    codeOf(() => aliases.get(11)),
    ReasonCode.TopicAliasInvalid,
  );
  assert.is(
    codeOf(() => new InboundAliases(0).get(1)),
    ReasonCode.TopicAliasInvalid,
  );
});

test('an alias that stands for nothing is a Protocol Error', () => {
  assert.is(
    codeOf(() => new InboundAliases(10).get(1)),
    ReasonCode.ProtocolError,
  );
});

/** Alias, and whether the topic name is left out: `3` or `3-`. */
function apply(
  aliases: OutboundAliases,
  name: string,
  { hasRoom = true, mountLength = 0 } = {},
): string {
  const extras = new PublishExtras();
  extras.mountLength = mountLength;
  extras.topicAlias = 99;
  extras.isTopicOmitted = true;
  aliases.apply(topicNameOf(name), extras, hasRoom);
  return `${extras.topicAlias}${extras.isTopicOmitted ? '-' : ''}`;
}

test('a topic gets its alias the second time, and is left out from the third on', () => {
  const aliases = new OutboundAliases(10);
  assert.is(apply(aliases, 'a/long/topic'), '0');
  assert.is(apply(aliases, 'a/long/topic'), '1');
  assert.is(apply(aliases, 'a/long/topic'), '1-');
  assert.is(apply(aliases, 'another/topic'), '0');
  assert.is(apply(aliases, 'another/topic'), '2');
  assert.is(apply(aliases, 'a/long/topic'), '1-');
});

test('there are no more aliases than the client allows [MQTT-3.1.2-26]', () => {
  const aliases = new OutboundAliases(3);
  const given = new Set<string>();
  for (let n = 0; n < 10; n++) {
    for (let again = 0; again < 3; again++) given.add(apply(aliases, `some/topic/${n}`));
  }
  assert.equal([...given].sort(), ['0', '1', '1-', '2', '2-', '3', '3-']);
});

test('topics that come once, however many, use up no alias', () => {
  const aliases = new OutboundAliases(3);
  for (let n = 0; n < 1_000; n++) assert.is(apply(aliases, `some/topic/${n}`), '0');
  assert.is(apply(aliases, 'some/topic/999'), '1');
});

test('no new alias where the packet would become too large, but a known one is used', () => {
  const aliases = new OutboundAliases(3);
  apply(aliases, 'some/topic');
  assert.is(apply(aliases, 'some/topic', { hasRoom: false }), '0');
  assert.is(apply(aliases, 'some/topic'), '1');
  assert.is(apply(aliases, 'some/topic', { hasRoom: false }), '1-');
});

test('a name as short as an alias gets none, the mount point not counted', () => {
  const aliases = new OutboundAliases(3);
  for (let again = 0; again < 3; again++) {
    assert.is(apply(aliases, 'a/b'), '0');
    assert.is(apply(aliases, 'mounted/a/b', { mountLength: 8 }), '0');
  }
});

test.run();
