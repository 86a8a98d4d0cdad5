import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, publish } from '../../conformance/raw/build.js';
import { FakeBroker } from '../broker/support/fake-broker.js';

// What the fuzzer found, in the shortest form that shows it.

const test = suite('findings of the fuzzer');

test('a publisher that is closed in the middle of its bytes leaves those of others intact', () => {
  const broker = new FakeBroker();
  const subscribers = ['a', 'b', 'c'].map((clientId) => broker.connect({ clientId, version: 4 }));
  for (const subscriber of subscribers) subscriber.subscribe('x');
  const publisher = broker.connect({ clientId: 'p', version: 4 });
  const payloads = Array.from({ length: 20 }, (_, index) =>
    String.fromCharCode(0x41 + index).repeat(2_000),
  );
  // Too large to be joined with the next read, so all that follows lies in the same memory.
  const large = publish(4, { topic: 'y', payload: Buffer.alloc(17_000), qos: 1, packetId: 1 });
  const rest = payloads.map((payload) => publish(4, { topic: 'x', payload }));

  publisher.sendBytes(large.subarray(0, 16_900));
  publisher.sendBytes(Buffer.concat([large.subarray(16_900), ...rest, Buffer.of(0, 0)]));

  assert.is(publisher.isOpen, false);
  for (const subscriber of subscribers) assert.equal(subscriber.takePayloads(), payloads);
});

test('a client for which CONNACK is too large gets no DISCONNECT either [MQTT-3.14.0-1]', () => {
  const broker = new FakeBroker();
  const client = broker.open();
  client.sendBytes(connect(5, { clientId: '', properties: { maximumPacketSize: 20 } }));
  assert.is(client.isOpen, false);
  assert.equal(client.take(), []);
});

test('a session that comes back through a mounted listener gets whole topics', () => {
  const broker = new FakeBroker();
  const mounted = { ...broker.listener, mountPoint: 'plant/' };
  const session = { clientId: 's', version: 4, clean: false } as const;
  const plain = broker.connect(session);
  plain.subscribe('f/+', { qos: 1 });
  plain.drop();
  const publisher = broker.connect({ clientId: 'p', version: 4 });
  publisher.publish('f/1', 'while it is away', { qos: 1, messageId: 1 });

  const back = broker.connect({ ...session, listener: mounted });
  publisher.publish('f/2', 'while it is back', { qos: 1, messageId: 2 });

  for (const { topic } of back.take('publish')) assert.match(topic as string, /^f\/[12]$/);
  assert.is(back.isOpen, true);
});

test('one client’s Payload Format Indicator is not taken for another’s', () => {
  const broker = new FakeBroker();
  const modern = broker.connect({ clientId: 'five', version: 5 });
  const old = broker.connect({ clientId: 'three', version: 4 });
  old.subscribe('x');
  modern.publish('y', 'text', { properties: { payloadFormatIndicator: true } });

  old.sendBytes(publish(4, { topic: 'x', payload: Buffer.of(0xff) }));

  assert.is(old.isOpen, true);
  assert.is(old.take('publish').length, 1);
});

test.run();
