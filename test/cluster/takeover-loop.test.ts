// slow
// deadline: 240 s
/**
 * Clients that connect at one broker and the next one without a pause, and two that fight for one
 * session: nothing is lost, nothing comes twice at QoS 2, nobody waits for ever.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { XorShift32 } from '../../src/base/prng.js';
import { until } from '../support/until.js';
import { withCluster } from './cluster-suite.js';
import { Publisher, type Step, Subscriber } from './devices.js';
import { numbers } from './messages.js';

const test = suite('takeover in a loop');
const add = withCluster(test);
const all = () => [0, 1, 2];

/** No connection attempt may take as long; a clash with a takeover is no reason. */
const connectMsMax = 5_000;
const turns = 100;

for (const qos of [1, 2] as const) {
  add(`a subscriber goes back and forth ${turns} times under QoS ${qos}`, async (t) => {
    const subscriber = new Subscriber(t, all);
    await (await subscriber.connectTo(0)).subscribe(t.topic(), qos);
    const publisher = await t.connect({ node: 2 });
    const sent: string[] = [];
    let isMoving = true;
    const publishing = (async () => {
      while (isMoving) {
        const text = `${sent.length}`;
        sent.push(text);
        await publisher.publish(t.topic(), text, { qos });
      }
    })();
    for (let turn = 1; turn <= turns; turn++) await subscriber.connectTo(turn % 2);
    isMoving = false;
    await publishing;
    await subscriber.untilGot(sent, 20_000);
    assert.equal([...new Set(subscriber.got)], sent);
    assert.equal(subscriber.faults, []);
    assert.ok(subscriber.slowestConnectMs < connectMsMax, `${subscriber.slowestConnectMs} ms`);
  });

  add(`a publisher of QoS ${qos} goes round ${turns} times, wherever it is`, async (t) => {
    const seed = 0x51a7 + qos;
    const prng = new XorShift32(seed);
    const subscriber = new Subscriber(t, all);
    await (await subscriber.connectTo(1)).subscribe(t.topic(), qos);
    const transient = await t.connect({ node: 2 });
    await transient.subscribe(t.topic(), qos);
    const publisher = new Publisher(t, all);
    for (let turn = 0; turn < turns; turn++) {
      await publisher.connectTo(turn % 3);
      await publisher.finish();
      await publisher.publish(t.topic(), `${turn}`, qos, prng.below(4) as Step);
    }
    await publisher.connectTo(0);
    await publisher.finish();
    await subscriber.untilGot(numbers(turns), 20_000);
    assert.equal([...new Set(subscriber.got)], numbers(turns), `seed ${seed}`);
    assert.equal([...subscriber.faults, ...publisher.faults], []);
    // QoS 1 may come again there, too.
    const live: string[] = [];
    while (live.at(-1) !== `${turns - 1}`) live.push(String((await transient.receive()).payload));
    assert.equal(qos === 2 ? live : [...new Set(live)], numbers(turns), `seed ${seed}`);
    assert.ok(publisher.slowestConnectMs < connectMsMax, `${publisher.slowestConnectMs} ms`);
  });
}

add(
  'two clients that fight for one id on two brokers lose nothing and wedge nothing',
  async (t) => {
    const clientId = t.clientId();
    const first = await t.connect({ node: 0, clientId, isDurable: true });
    await first.subscribe(t.topic(), 1);
    const publisher = await t.connect({ node: 2 });
    const got = new Set<string>();
    let isOver = false;
    let connects = 0;
    let slowestMs = 0;
    const fight = async (node: number): Promise<void> => {
      while (!isOver) {
        const startMs = performance.now();
        const client = await t.begin({ node, clientId, isDurable: true });
        await client.until(
          'CONNACK or a close',
          () => client.packets.length > 0 || client.isClosed,
        );
        slowestMs = Math.max(slowestMs, performance.now() - startMs);
        if (client.connack === null) continue;
        connects++;
        assert.is(client.connack.reasonCode, 0);
        assert.is(client.connack.sessionPresent, true);
        while (!client.isClosed && !isOver) {
          await client.until('more', () => isOver || client.isClosed || client.packets.length > 0);
          for (const packet of client.packets.splice(0)) {
            if (packet.type === 'publish') got.add(String(packet.payload));
            await client.acknowledge(packet);
          }
        }
      }
    };
    const fighting = [fight(0), fight(1)];
    const endMs = performance.now() + 5_000;
    let count = 0;
    for (; performance.now() < endMs; count++) {
      await publisher.publish(t.topic(), `${count}`, { qos: 1 });
    }
    isOver = true;
    // What they wait for: a last message for whoever has the session.
    await publisher.publish(t.topic(), 'over', { qos: 1 });
    await Promise.all(fighting);
    const last = await t.connect({ node: 2, clientId, isDurable: true });
    // More may wait than its window holds: it gets on by what it acknowledges.
    await until('every message', async () => {
      for (const packet of last.packets.splice(0)) {
        if (packet.type === 'publish') got.add(String(packet.payload));
        await last.acknowledge(packet);
      }
      return numbers(count).every((text) => got.has(text));
    });
    assert.ok(connects >= 20, `${connects} connects`);
    assert.ok(slowestMs < connectMsMax, `${slowestMs} ms`);
  },
);

add('a hundred clients that move at once all arrive, with their sessions', async (t) => {
  const devices = Array.from({ length: 100 }, () => new Subscriber(t, all));
  await Promise.all(
    devices.map(async (one, at) => {
      await (await one.connectTo(at % 3)).subscribe(t.topic(`${at}`), 1);
    }),
  );
  const publisher = await t.connect({ node: 0 });
  for (let turn = 1; turn <= 3; turn++) {
    const moving = devices.map((one, at) => one.connectTo((at + turn) % 3));
    for (const at of devices.keys())
      await publisher.publish(t.topic(`${at}`), `${turn}`, { qos: 1 });
    await Promise.all(moving);
  }
  for (const device of devices) {
    await device.untilGot(['1', '2', '3'], 10_000);
    assert.equal([...new Set(device.got)], ['1', '2', '3']);
    assert.equal(device.faults, []);
  }
});

test.run();
