// deadline: 180 s
// slow
/** A broker with a bridge and a durable store that is killed: nothing lost, nothing doubled. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { brokerPath } from '../integration/support/broker.js';
import { TestClient } from '../integration/support/test-client.js';
import { freePort } from '../support/port.js';
import { Child } from '../support/process.js';
import { TempFolder } from '../support/temp.js';
import { until } from '../support/until.js';
import { BrokerHere, numbers } from './support/broker-here.js';

const test = suite('a bridge that is killed');

const kills = 4;
const count = 200;
const packetIdNotFound = 0x92;

/** PUBCOMP 0x92, which MQTT.js takes for a failure, says that PUBREL had come before the kill. */
async function deliver(publisher: TestClient, topic: string, payload: string): Promise<void> {
  await publisher.publish(topic, payload, { qos: 2 }).catch((error: { code?: number }) => {
    if (error.code !== packetIdNotFound) throw error;
  });
}

test('QoS 2 messages both ways arrive once and in order', async () => {
  const folder = new TempFolder();
  const far = await BrokerHere.start('far');
  const port = await freePort();
  const config = folder.write(
    'near.conf',
    [
      ...['store disk', `data_dir ${folder.path}/data`, 'max_queued_messages 0'],
      ...[`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'connection b'],
      ...[`address 127.0.0.1:${far.port}`, 'topic # both 2', 'restart_timeout 1', ''],
    ].join('\n'),
  );
  const start = async (): Promise<Child> => {
    const child = await Child.start(process.execPath, [brokerPath, '-c', config]);
    await child.untilLine('tidewire is ready', { deadlineMs: 20_000 });
    return child;
  };
  const durable = (clientId: string, brokerPort: number): TestClient =>
    TestClient.open({
      ...{ protocol: 'mqtt', host: '127.0.0.1', port: brokerPort, clientId, clean: false },
      ...{ reconnectPeriod: 50, properties: { sessionExpiryInterval: 3600 } },
    });
  let near = await start();
  const here = durable('here', port);
  const there = durable('there', far.port);
  await here.untilConnected();
  await there.untilConnected();
  await here.subscribe('in', 2);
  await there.subscribe('out', 2);
  const publishers = [durable('near-publisher', port), durable('far-publisher', far.port)];
  const done = publishers.map(async (publisher, index) => {
    await publisher.untilConnected();
    const topic = index === 0 ? 'out' : 'in';
    for (const n of numbers(count)) await deliver(publisher, topic, n);
  });
  try {
    for (let killed = 1; killed <= kills; killed++) {
      const enough = (killed * count) / (kills + 2);
      await until('messages', () => there.packets.length >= enough, { deadlineMs: 30_000 });
      near.signal('SIGKILL');
      await near.exited;
      near = await start();
    }
    await Promise.all(done);
    await there.untilMessages(count, 30_000);
    await here.untilMessages(count, 30_000);

    assert.equal(there.payloads, numbers(count));
    assert.equal(here.payloads, numbers(count));
  } finally {
    await Promise.all([here, there, ...publishers].map((client) => client.end()));
    near.signal('SIGKILL');
    await near.exited;
    await far.stop();
    folder.remove();
  }
});

test.run();
