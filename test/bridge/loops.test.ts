// slow
/** Two brokers that have a bridge to each other: nothing goes round and round. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../support/port.js';
import { until } from '../support/until.js';
import { BrokerHere, numbers } from './support/broker-here.js';

const test = suite('bridges that face each other');

/** Both brokers have a bridge, and both know of the other one's. */
async function withTwoBridges(
  lines: readonly string[],
  body: (brokers: readonly [BrokerHere, BrokerHere]) => Promise<void>,
): Promise<void> {
  const ports = [await freePort(), await freePort()] as const;
  const linesTo = (port: number) => [
    ...['connection b', `address 127.0.0.1:${port}`, 'restart_timeout 1'],
    ...lines,
  ];
  const one = await BrokerHere.start('one', linesTo(ports[1]), { port: ports[0] });
  const two = await BrokerHere.start('two', linesTo(ports[0]), { port: ports[1] });
  try {
    await one.untilLogged('bridge connected');
    await two.untilLogged('bridge connected');
    await until('both know', () => knows(one, 'two') && knows(two, 'one'));
    await body([one, two]);
  } finally {
    await one.stop();
    await two.stop();
  }
}

/** True when the broker takes the other one's bridge and its own for one source. */
function knows(broker: BrokerHere, other: string): boolean {
  const own = other === 'one' ? 'two' : 'one';
  return broker.assembly.core.kin.isOwn(`local.${own}.b`, `${other}.b`);
}

for (const version of ['mqttv311', 'mqttv50']) {
  test(`${version}: a message comes to its own broker once, to the other twice`, async () => {
    const lines = ['topic # both 1', `bridge_protocol_version ${version}`];
    await withTwoBridges(lines, async ([one, two]) => {
      const count = 20;
      const [here, there] = [await one.subscriber('loop/#'), await two.subscriber('loop/#')];
      const publishers = [await one.connect(), await two.connect()];
      for (const publisher of publishers) {
        for (const n of numbers(count)) await publisher.publish('loop/a', n, { qos: 1 });
      }
      // Each message comes to its own broker once, and to the other one by either bridge.
      await here.untilMessages(count * 3);
      await there.untilMessages(count * 3);
      // Had one gone round again, it would be in front of these.
      for (const [index, publisher] of publishers.entries()) {
        await publisher.publish('loop/end', `${index}`, { qos: 1 });
      }
      const isEnd = ({ topic }: { topic: string }): boolean => topic === 'loop/end';
      for (const subscriber of [here, there]) {
        await until('the end', () => subscriber.packets.filter(isEnd).length === 3);
        assert.is(subscriber.packets.length, count * 3 + 3);
      }
    });
  });
}

test('retained messages do not go round either', async () => {
  await withTwoBridges(['topic # both 1'], async ([one, two]) => {
    const there = await two.subscriber('state');
    const publisher = await one.connect();
    await publisher.publish('state', 'on', { qos: 1, retain: true });
    await there.untilMessages(2);
    await publisher.publish('state', 'off', { qos: 1, retain: true });
    await there.untilMessages(4);

    assert.equal(there.payloads, ['on', 'on', 'off', 'off']);
    const { retained } = one.assembly.core;
    assert.is(retained.get('state')?.payloadLength, 3);
  });
});

test.run();
