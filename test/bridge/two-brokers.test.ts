// deadline: 180 s
// slow
/** Two brokers with a bridge between them, and a network that is cut. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { XorShift32 } from '../../src/base/prng.js';
import { until } from '../support/until.js';
import { BrokerHere, numbers } from './support/broker-here.js';
import { CutLine } from './support/cut-line.js';

const test = suite('a bridge between two brokers');

interface Pair {
  /** Has the bridge. */
  readonly near: BrokerHere;
  readonly far: BrokerHere;
  readonly line: CutLine;
}

/** Runs `body` with both brokers, and ends all of it. */
async function withPair(
  lines: readonly string[],
  body: (pair: Pair) => Promise<void>,
  farLines: readonly string[] = [],
): Promise<void> {
  const far = await BrokerHere.start('far', farLines);
  const line = await CutLine.start(far.port);
  const bridge = ['connection b', `address 127.0.0.1:${line.port}`, 'restart_timeout 1', ...lines];
  const near = await BrokerHere.start('near', bridge);
  try {
    await near.untilLogged('bridge connected');
    await body({ near, far, line });
  } finally {
    await near.stop();
    await line.stop();
    await far.stop();
  }
}

for (const version of ['mqttv31', 'mqttv311', 'mqttv50']) {
  test(`${version}: messages of each QoS go both ways, with RETAIN and without echo`, async () => {
    const lines = ['topic # both 2', `bridge_protocol_version ${version}`];
    await withPair(lines, async ({ near, far }) => {
      for (const [from, to, name] of [
        [near, far, 'out'],
        [far, near, 'in'],
      ] as const) {
        const here = await from.subscriber(`${name}/#`);
        const there = await to.subscriber(`${name}/#`);
        const publisher = await from.connect();
        for (const qos of [0, 1, 2] as const) {
          await publisher.publish(`${name}/${qos}`, `m${qos}`, { qos, retain: qos > 0 });
        }
        await there.untilMessages(3);
        const late = await to.subscriber(`${name}/#`);
        await late.untilMessages(2);

        assert.equal(
          there.packets.map(({ topic, qos, payload }) => [topic, qos, payload.toString()]),
          [0, 1, 2].map((qos) => [`${name}/${qos}`, qos, `m${qos}`]),
        );
        assert.equal(late.payloads.sort(), ['m1', 'm2']);
        assert.is(
          late.packets.every(({ retain }) => retain),
          true,
        );
        assert.is(here.packets.length, 3);
      }
    });
  });
}

test('MQTT 5.0 properties go through as they are', async () => {
  const lines = ['topic # both 1', 'bridge_protocol_version mqttv50'];
  await withPair(lines, async ({ near, far }) => {
    const there = await far.subscriber('p');
    const publisher = await near.connect();
    await publisher.publish('p', 'x', {
      qos: 1,
      properties: {
        contentType: 'text/plain',
        responseTopic: 'reply/here',
        correlationData: Buffer.from('c'),
        userProperties: { a: ['1', '2'], b: '3' },
        messageExpiryInterval: 100,
        payloadFormatIndicator: true,
      },
    });

    const [packet] = await there.untilMessages(1);
    const { messageExpiryInterval, ...properties } = packet!.properties!;
    assert.equal(
      { ...properties, userProperties: { ...properties.userProperties } },
      {
        contentType: 'text/plain',
        responseTopic: 'reply/here',
        correlationData: Buffer.from('c'),
        userProperties: { a: ['1', '2'], b: '3' },
        payloadFormatIndicator: true,
      },
    );
    assert.ok(messageExpiryInterval! > 90 && messageExpiryInterval! <= 100);
  });
});

test('prefixes change topic names on their way', async () => {
  const lines = ['topic # out 1 up/ site/1/', 'topic cmd/# in 1 down/ site/1/'];
  await withPair(lines, async ({ near, far }) => {
    const there = await far.subscriber('#');
    const here = await near.subscriber('down/#');
    const nearClient = await near.connect();
    const farClient = await far.connect();
    await nearClient.publish('up/t', '1', { qos: 1 });
    await nearClient.publish('other/t', '2', { qos: 1 });
    await farClient.publish('site/1/cmd/x', '3', { qos: 1 });
    await here.untilMessages(1);
    await there.untilMessages(2);

    assert.equal(
      here.packets.map(({ topic }) => topic),
      ['down/cmd/x'],
    );
    assert.equal(
      there.packets.map(({ topic }) => topic),
      ['site/1/t', 'site/1/cmd/x'],
    );
  });
});

for (const version of ['mqttv311', 'mqttv50']) {
  test(`${version}: what is published while the line is cut comes when it is back`, async () => {
    const count = 250;
    const lines = ['topic # both 2', `bridge_protocol_version ${version}`];
    await withPair(lines, async ({ near, far, line }) => {
      const filters = ['q/1', 'q/2'] as const;
      const there = await Promise.all(filters.map((filter) => far.subscriber(`out/${filter}`)));
      const here = await Promise.all(filters.map((filter) => near.subscriber(`in/${filter}`)));
      const [nearClient, farClient] = [await near.connect(), await far.connect()];
      line.cut();
      await near.untilLogged('bridge lost its connection');
      await until('the far broker notices', () => far.session('near.b')?.connection === null);
      for (const n of numbers(count)) {
        for (const qos of [1, 2] as const) {
          await nearClient.publish(`out/q/${qos}`, n, { qos });
          await farClient.publish(`in/q/${qos}`, n, { qos });
        }
      }
      line.restore();
      for (const subscriber of [...there, ...here]) {
        await subscriber.untilMessages(count, 20_000);
        assert.equal(subscriber.payloads, numbers(count));
      }
      assert.ok(near.count('bridge connected') >= 2);
    });
  });
}

test('a line that breaks anywhere loses and doubles no QoS 2 message', async () => {
  const count = 600;
  const prng = new XorShift32(20_240_601);
  const lines = ['topic # both 2', 'restart_timeout 1', 'bridge_protocol_version mqttv311'];
  await withPair(lines, async ({ near, far, line }) => {
    const directions = [
      { name: 'out', from: near, to: far },
      { name: 'in', from: far, to: near },
    ];
    const flows = directions.map(async ({ name, from, to }) => {
      const exact = await to.subscriber(`${name}/2`);
      const least = await to.subscriber(`${name}/1`);
      const publisher = await from.connect();
      for (const n of numbers(count)) {
        await publisher.publish(`${name}/2`, n, { qos: 2 });
        await publisher.publish(`${name}/1`, n, { qos: 1 });
      }
      await exact.untilMessages(count, 60_000);
      await until('all at QoS 1', () => new Set(least.payloads).size === count);
      assert.equal(exact.payloads, numbers(count), name);
      assert.equal([...new Set(least.payloads)], numbers(count), name);
    });
    const isDone = Promise.all(flows).then(() => true);
    for (let breaks = 0; breaks < 12; breaks++) {
      // Short ones break CONNECT and SUBSCRIBE, longer ones what is in flight.
      line.breakAfter(breaks % 3 === 0 ? 1 + prng.below(300) : 1 + prng.below(12_000));
      line.cut();
      line.restore();
      const before = line.connections;
      await Promise.race([isDone, until('a try', () => line.connections > before)]);
    }
    await isDone;
  });
});

test.run();
