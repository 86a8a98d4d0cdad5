/** What one client without any rights must not be able to do to the broker. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mergeSubscriptions } from '../../src/broker/subscription.js';
import { sessionOf, subscriptionOf } from './support/builders.js';
import { FakeBroker } from './support/fake-broker.js';

const test = suite('hostile clients');

test('any number of overlapping subscriptions of one session can be merged', () => {
  const session = sessionOf('greedy');
  const matching = Array.from({ length: 200_000 }, (_, index) =>
    subscriptionOf(session, 'a', { qos: index === 7 ? 2 : 0 }),
  );
  assert.is(mergeSubscriptions(matching).qos, 2);
});

test('a will below $SYS reaches nobody and is not retained', () => {
  const broker = new FakeBroker();
  const watcher = broker.connect();
  watcher.subscribe('$SYS/#');
  const payload = Buffer.from('forged');
  const will = { topic: '$SYS/broker/version', payload, qos: 0 as const, retain: true };
  const forger = broker.request({ will });
  forger.drop();
  assert.equal(watcher.takePayloads(), []);
  assert.is(broker.core.retained.get('$SYS/broker/version'), null);
});

test('a client that never reads its answers is closed by its keep-alive', () => {
  const broker = new FakeBroker({ limits: { outputBytesMax: 64 * 1024 } });
  const client = broker.connect({ keepalive: 10 });
  client.transport.stall();
  const pings = Buffer.alloc(100_000, Buffer.from([0xc0, 0]));
  for (let round = 0; round < 5; round++) {
    client.transport.fromPeer(pings);
    broker.settle();
  }
  assert.ok(client.transport.isPaused, 'its answers hold it');
  for (let round = 0; round < 10; round++) broker.advance(10_000);
  assert.is(broker.core.metrics.clientsConnected, 0);
});

test('QoS 1 for many stuck subscribers stays below the total of all output buffers', () => {
  const outputBytesTotalMax = 1024 * 1024;
  const limits = { outputBytesTotalMax, inflightMessagesMax: 0 };
  const broker = new FakeBroker({ limits });
  for (let count = 0; count < 50; count++) {
    const stuck = broker.connect();
    stuck.subscribe('a', { qos: 1 });
    stuck.transport.stall();
  }
  const publisher = broker.connect();
  for (let messageId = 1; messageId <= 50; messageId++) {
    publisher.publish('a', 'x'.repeat(4_000), { qos: 1, messageId });
    broker.advance(200);
  }
  // Each socket may have one chunk beyond it.
  assert.ok(broker.core.metrics.bytesWaiting < 2 * outputBytesTotalMax);
});

test.run();
