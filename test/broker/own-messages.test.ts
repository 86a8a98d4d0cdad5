/** Messages that come from no PUBLISH packet. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { messageOf } from '../../src/broker/own-messages.js';
import { NEVER } from '../../src/protocol/message.js';
import { encodeMessageProperties } from '../../src/protocol/message-properties.js';
import { topicNameOf } from './support/builders.js';

const test = suite('own messages');

test('a message of the program expires as its messageExpiryInterval says [MQTT-3.3.2-5]', () => {
  const topic = topicNameOf('a');
  const options = { qos: 0, retain: true } as const;
  const properties = encodeMessageProperties({ contentType: 'a', messageExpiryInterval: 5 });
  const brief = messageOf(topic, Buffer.from('x'), { ...options, properties }, 1_000);
  assert.is(brief.expiresAtMs, 6_000);
  assert.is(messageOf(topic, Buffer.from('x'), options, 1_000).expiresAtMs, NEVER);
});

test.run();
