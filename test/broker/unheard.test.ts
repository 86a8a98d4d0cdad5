/**
 * A publisher that comes from another broker: subscribers here may not have its last messages yet,
 * and what it publishes now must not overtake them (promise P5).
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Peers } from '../../src/broker/peers.js';
import { FakeBroker } from './support/fake-broker.js';

const test = suite('unheard');
const nothing = (): void => undefined;

/** Other brokers that say nothing but when they were heard. */
class QuietPeers implements Peers {
  readonly isDoubtful = false;
  heard: Promise<void> | null = null;
  await = nothing;
  onLongTurn = nothing;
  tick = nothing;
  publish = nothing;
  publishTo = nothing;
  pledge = () => ({ fulfil: nothing });
  isRepeated = (): boolean => false;
  onSubscribed = nothing;
  onReplaced = nothing;
  onUnsubscribed = nothing;
  onAttached = nothing;
  onDetached = nothing;
  adopt = (): Promise<number> => Promise.resolve(0);
  publishLastWill = nothing;
  leave = nothing;

  hear(): Promise<void> | null {
    return this.heard;
  }

  whenKnown(then: () => void): void {
    then();
  }
}

function brokerWithPeers(): { broker: FakeBroker; peers: QuietPeers } {
  const broker = new FakeBroker();
  const peers = new QuietPeers();
  broker.core.peers = peers;
  return { broker, peers };
}

test('messages wait until what was acknowledged elsewhere is heard, in their order', async () => {
  const { broker, peers } = brokerWithPeers();
  const subscriber = broker.connect();
  subscriber.subscribe('t', { qos: 2 });
  let onHeard = nothing;
  peers.heard = new Promise((resolve) => {
    onHeard = resolve;
  });
  const publisher = broker.connect({ clientId: 'p' });
  publisher.publish('t', 'one', { qos: 1, messageId: 1 });
  publisher.publish('t', 'two', { qos: 1, messageId: 2 });
  publisher.publish('t', 'three', { qos: 1, messageId: 3 });
  await broker.settleLater();
  assert.equal(subscriber.takePayloads(), []);
  assert.equal(publisher.take(), []);

  onHeard();
  await broker.settleLater();
  assert.equal(subscriber.takePayloads(), ['one', 'two', 'three']);
  assert.equal(
    publisher.take().map(({ cmd, messageId }) => `${cmd} ${messageId}`),
    ['puback 1', 'puback 2', 'puback 3'],
  );
});

test('QoS 0 does not wait, nor does a client that comes when all is heard', async () => {
  const { broker, peers } = brokerWithPeers();
  const subscriber = broker.connect();
  subscriber.subscribe('t', { qos: 1 });
  peers.heard = new Promise(nothing);
  broker.connect().publish('t', 'zero', { qos: 0 });
  assert.equal(subscriber.takePayloads(), ['zero']);
  peers.heard = Promise.resolve();
  const publisher = broker.connect();
  await broker.settleLater();
  publisher.publish('t', 'one', { qos: 1, messageId: 1 });
  assert.equal(subscriber.takePayloads(), ['one']);
});

test('what waits is heard although its client leaves meanwhile', async () => {
  const { broker, peers } = brokerWithPeers();
  const subscriber = broker.connect();
  subscriber.subscribe('t', { qos: 1 });
  let onHeard = nothing;
  peers.heard = new Promise((resolve) => {
    onHeard = resolve;
  });
  const publisher = broker.connect();
  publisher.publish('t', 'one', { qos: 1, messageId: 1 });
  publisher.drop();
  onHeard();
  await broker.settleLater();
  assert.equal(subscriber.takePayloads(), ['one']);
});

test.run();
