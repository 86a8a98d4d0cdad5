// deadline: 180 s
// slow
/** A bridge to Mosquitto, and one from it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hasMosquitto, startMosquitto } from '../access/mosquitto.js';
import { TestClient } from '../integration/support/test-client.js';
import { freePort } from '../support/port.js';
import { type Child, run } from '../support/process.js';
import { TempFolder } from '../support/temp.js';
import { until } from '../support/until.js';
import { BrokerHere, numbers } from './support/broker-here.js';
import { CutLine } from './support/cut-line.js';

const test = suite('a bridge to Mosquitto');
const unlimited = ['max_inflight_messages 0', 'max_queued_messages 0'];
const withInstalled = hasMosquitto ? test : test.skip;

interface Rig {
  readonly near: BrokerHere;
  readonly line: CutLine;
  /** A client of Mosquitto's. */
  far(): Promise<TestClient>;
  readonly mosquittoPort: number;
  readonly mosquitto: Child;
}

/** Runs `body` with a bridge to a Mosquitto, and ends all of it. */
async function withMosquitto(
  lines: readonly string[],
  body: (rig: Rig) => Promise<void>,
  farLines: (nearPort: number) => readonly string[] = () => [],
): Promise<void> {
  const folder = new TempFolder();
  const nearPort = await freePort();
  const { broker, ports } = await startMosquitto(folder, [
    // Beyond its window of messages in flight, Mosquitto 2.0 mixes up their order.
    ['allow_anonymous true', ...unlimited, ...farLines(nearPort)],
  ]);
  const [mosquittoPort] = ports as [number];
  const line = await CutLine.start(mosquittoPort);
  const bridge = ['connection b', `address 127.0.0.1:${line.port}`, 'restart_timeout 1', ...lines];
  const near = await BrokerHere.start('near', bridge, { port: nearPort });
  const clients: TestClient[] = [];
  const far = async (): Promise<TestClient> => {
    const client = TestClient.open({ protocol: 'mqtt', host: '127.0.0.1', port: mosquittoPort });
    clients.push(client);
    await client.untilConnected();
    return client;
  };
  try {
    await near.untilLogged('bridge connected');
    await body({ near, line, far, mosquittoPort, mosquitto: broker });
  } finally {
    await Promise.all(clients.map((client) => client.end()));
    await near.stop();
    await line.stop();
    await broker.stop();
    folder.remove();
  }
}

for (const version of ['mqttv31', 'mqttv311', 'mqttv50']) {
  withInstalled(
    `${version}: messages of each QoS go both ways, with RETAIN and without echo`,
    async () => {
      const lines = ['topic # both 2 near/ far/', `bridge_protocol_version ${version}`];
      await withMosquitto(lines, async ({ near, far }) => {
        const here = await near.subscriber('near/#');
        const there = await far();
        await there.subscribe('far/#', 2);
        const [nearClient, farClient] = [await near.connect(), await far()];
        for (const qos of [0, 1, 2] as const) {
          await nearClient.publish(`near/out/${qos}`, `o${qos}`, { qos, retain: qos === 2 });
          await farClient.publish(`far/in/${qos}`, `i${qos}`, { qos, retain: qos === 2 });
        }
        await here.untilMessages(6);
        await there.untilMessages(6);
        const late = await near.subscriber('near/in/#');
        const lateThere = await far();
        await lateThere.subscribe('far/out/#', 2);
        await late.untilMessages(1);
        await lateThere.untilMessages(1);

        const got = ({ packets }: TestClient) =>
          packets.map(({ topic, qos, payload }) => `${topic} ${qos} ${payload}`).sort();
        assert.equal(got(here), [
          ...['near/in/0 0 i0', 'near/in/1 1 i1', 'near/in/2 2 i2'],
          ...['near/out/0 0 o0', 'near/out/1 1 o1', 'near/out/2 2 o2'],
        ]);
        assert.equal(got(there), [
          ...['far/in/0 0 i0', 'far/in/1 1 i1', 'far/in/2 2 i2'],
          ...['far/out/0 0 o0', 'far/out/1 1 o1', 'far/out/2 2 o2'],
        ]);
        assert.equal(late.payloads.concat(lateThere.payloads), ['i2', 'o2']);
      });
    },
  );

  withInstalled(
    `${version}: what is published while the line is cut comes when it is back`,
    async () => {
      const count = 150;
      const lines = ['topic # both 2', `bridge_protocol_version ${version}`];
      await withMosquitto(lines, async ({ near, far, line, mosquitto }) => {
        const there = await far();
        await there.subscribe(['out/1', 'out/2'], 2);
        const here = await near.subscriber('in/+');
        const [nearClient, farClient] = [await near.connect(), await far()];
        line.cut();
        await near.untilLogged('bridge lost its connection');
        await mosquitto.untilLine(/near\.b.*(closed|disconnected|error)/i);
        for (const n of numbers(count)) {
          for (const qos of [1, 2] as const) {
            await nearClient.publish(`out/${qos}`, n, { qos });
            await farClient.publish(`in/${qos}`, n, { qos });
          }
        }
        line.restore();
        for (const [subscriber, name] of [
          [there, 'out'],
          [here, 'in'],
        ] as const) {
          await subscriber.untilMessages(count * 2, 20_000);
          for (const qos of [1, 2]) {
            const payloads = subscriber.packets.filter(({ topic }) => topic === `${name}/${qos}`);
            assert.equal(
              payloads.map(({ payload }) => payload.toString()),
              numbers(count),
            );
          }
        }
      });
    },
  );
}

withInstalled('its state is a retained message there, also after it was cut off', async () => {
  await withMosquitto(['topic # out 1'], async ({ far, line }) => {
    const there = await far();
    await there.subscribe('$SYS/broker/connection/#', 1);
    await there.untilMessages(1);
    line.cut();
    await there.untilMessages(2);
    line.restore();
    await there.untilMessages(3);

    const topic = '$SYS/broker/connection/near.b/state';
    assert.equal(
      there.packets.map((packet) => [packet.topic, packet.payload.toString()]),
      [
        [topic, '1'],
        [topic, '0'],
        [topic, '1'],
      ],
    );
  });
});

withInstalled('Mosquitto says that it has a bridge here, and nothing goes round', async () => {
  const count = 10;
  const counter = (port: number) => [
    ...['connection back', `address 127.0.0.1:${port}`, 'restart_timeout 1'],
    ...['topic # both 1', 'remote_clientid mosquitto.back'],
  ];
  await withMosquitto(
    ['topic # both 1'],
    async ({ near, far }) => {
      const { kin } = near.assembly.core;
      const isThere = () => near.session('mosquitto.back') !== null;
      await until('the other bridge', isThere, { deadlineMs: 30_000 });
      await until('the news', () => kin.isOwn('local.near.b', 'mosquitto.back'));
      const here = await near.subscriber('loop/#', 1);
      const there = await far();
      await there.subscribe('loop/#', 1);
      const [nearClient, farClient] = [await near.connect(), await far()];
      for (const n of numbers(count)) {
        await nearClient.publish('loop/near', n, { qos: 1 });
        await farClient.publish('loop/far', n, { qos: 1 });
      }
      // To here: what was published here, and again by either bridge, as Mosquitto does not know
      // that they are one; what was published there, by either bridge. Each way keeps its order.
      await nearClient.publish('loop/end', '', { qos: 1 });
      await until('the end', () => here.packets.filter(isEnd).length === 3);
      await until('all', () => here.packets.length >= count * 5 + 3);

      assert.is(here.packets.length, count * 5 + 3);
    },
    counter,
  );
});

function isEnd({ topic }: { readonly topic: string }): boolean {
  return topic === 'loop/end';
}

withInstalled('Mosquitto’s own bridge works with this broker as its remote one', async () => {
  const near = await BrokerHere.start('near');
  const folder = new TempFolder();
  const { broker, ports } = await startMosquitto(folder, [
    [
      ...['allow_anonymous true', 'connection m', `address 127.0.0.1:${near.port}`],
      ...['topic # both 2', 'restart_timeout 1', 'remote_clientid m'],
    ],
  ]);
  try {
    await until('the bridge', () => near.session('m')?.subscriptions?.has('#') ?? false);
    const here = await near.subscriber('t', 2);
    const args = ['-p', `${ports[0]}`, '-t', 't', '-q', '2', '-m', 'x'];
    await run('mosquitto_pub', args);
    await here.untilMessages(1);
    assert.equal(here.payloads, ['x']);
  } finally {
    await near.stop();
    await broker.stop();
    folder.remove();
  }
});

test.run();
