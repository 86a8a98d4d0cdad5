/**
 * Keep-alive and other deadlines of a connection that is not read: silence counts where it is the
 * client's, and not where the broker itself does not listen.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('keep-alive');

const KIB = 1024;
const PAYLOAD = 'x'.repeat(8 * KIB);

/** Pings until the answers that it does not read hold it. */
function stuff(broker: FakeBroker, client: FakeClient): void {
  client.transport.stall();
  const pings = Buffer.alloc(100_000, Buffer.from([0xc0, 0]));
  for (let round = 0; round < 5; round++) {
    client.transport.fromPeer(pings);
    broker.settle();
  }
  assert.ok(client.transport.isPaused, 'its answers hold it');
}

/** Time passes as in a process: the broker looks at its clock often. */
function pass(broker: FakeBroker, ms: number): void {
  for (let passed = 0; passed < ms; passed += 50) broker.advance(50);
}

test('a client that does not read its answers is silent after 1.5 keep-alives', () => {
  const broker = new FakeBroker({ limits: { outputBytesMax: 64 * KIB } });
  const client = broker.connect({ keepalive: 10 });
  stuff(broker, client);
  pass(broker, 14_950);
  assert.is(client.isOpen, true);
  pass(broker, 100);
  assert.is(client.isOpen, false);
  assert.is(broker.core.metrics.keepAliveTimeouts, 1);
});

test('a client that takes its answers slowly is not silent while it is not read', () => {
  const broker = new FakeBroker({ limits: { outputBytesMax: 64 * KIB } });
  const client = broker.connect({ keepalive: 10 });
  stuff(broker, client);
  for (let round = 0; client.transport.isPaused; round++) {
    assert.ok(round < 100, 'it is read again in the end');
    pass(broker, 10_000);
    client.transport.drain();
    if (round < 2) client.transport.stall();
    broker.settle();
  }
  assert.is(client.isOpen, true);
  pass(broker, 14_900);
  assert.is(client.isOpen, true);
  pass(broker, 200);
  assert.is(client.isOpen, false);
});

test('a publisher that is held for a slow subscriber is not silent, and is so again after', () => {
  const limits = { outputBytesMax: 64 * KIB, slowSubscriberPauseMs: 60_000 };
  const broker = new FakeBroker({ limits });
  const slow = broker.connect();
  slow.subscribe('a');
  slow.transport.stall();
  const publisher = broker.connect({ keepalive: 10 });
  for (let n = 0; n < 10; n++) publisher.publish('a', PAYLOAD);
  assert.is(publisher.transport.isPaused, true);
  pass(broker, 50_000);
  assert.is(publisher.isOpen, true);
  slow.transport.drain();
  broker.settle();
  assert.is(publisher.transport.isPaused, false);
  pass(broker, 14_900);
  assert.is(publisher.isOpen, true, 'it had no chance to be heard before');
  pass(broker, 200);
  assert.is(publisher.isOpen, false);
});

test('a client held by the broker and by its output is silent from when it could speak', () => {
  const broker = new FakeBroker({ limits: { outputBytesMax: 64 * KIB } });
  const client = broker.connect({ keepalive: 10 });
  const [connection] = broker.core.connections;
  stuff(broker, client);
  // As MemoryGuard does.
  connection!.hold();
  pass(broker, 30_000);
  assert.is(client.isOpen, true);
  connection!.release();
  pass(broker, 14_900);
  assert.is(client.isOpen, true);
  pass(broker, 200);
  assert.is(client.isOpen, false);
});

test('a PINGREQ that came while the client was held counts for its keep-alive', async () => {
  const broker = new FakeBroker();
  broker.access.restrictsPublish = true;
  let allow: (isAllowed: boolean) => void = () => undefined;
  broker.access.mayPublish = () =>
    new Promise((resolve) => {
      allow = resolve;
    });
  const client = broker.connect({ keepalive: 10 });
  client.publish('a', 'x');
  // Held at 15 s, it is looked at again at 20 s.
  broker.advance(15_000);
  broker.advance(4_999);
  client.post({ cmd: 'pingreq' });
  allow(true);
  for (let round = 0; round < 10; round++) await Promise.resolve();
  // The hold is over; the socket is read after the timers of this round.
  while (broker.endTurn());
  broker.clock.advance(1);
  broker.core.tick();
  broker.settle();
  assert.is(broker.core.metrics.keepAliveTimeouts, 0);
  client.takeFirst('pingresp');
});

test('a hold that ends among the timers is over for the keep-alive at once', () => {
  const broker = new FakeBroker();
  const client = broker.connect({ keepalive: 10 });
  const [connection] = broker.core.connections;
  connection!.hold();
  pass(broker, 19_950);
  client.post({ cmd: 'pingreq' });
  broker.clock.advance(50);
  connection!.release();
  broker.core.tick();
  broker.settle();
  client.takeFirst('pingresp');
});

test('what is read after the process was stopped inside a turn counts from its end', () => {
  const broker = new FakeBroker();
  const client = broker.connect({ keepalive: 10 });
  broker.core.turn.begin();
  broker.clock.advance(20_000);
  client.post({ cmd: 'pingreq' });
  broker.settle();
  broker.core.tick();
  broker.settle();
  assert.is(broker.core.metrics.keepAliveTimeouts, 0);
  pass(broker, 14_900);
  assert.is(client.isOpen, true);
  pass(broker, 200);
  assert.is(client.isOpen, false);
});

test('an exchange outlives connect_timeout_ms and ends with CONNACK 0x87, counted', () => {
  const limits = { connectTimeoutMs: 1_000, authenticationTimeoutMs: 5_000 };
  const broker = new FakeBroker({ limits });
  broker.access.beginExchange = () => ({ step: () => ({ kind: 'continue', data: null }) });
  const client = broker.request({ properties: { authenticationMethod: 'SLOW' } });
  client.takeFirst('auth');
  broker.advance(4_000);
  assert.ok(client.isOpen);
  broker.advance(1_000);
  assert.is(client.takeFirst('connack').reasonCode, ReasonCode.NotAuthorized);
  assert.is(broker.core.metrics.connectTimeouts, 1);
});

test.run();
