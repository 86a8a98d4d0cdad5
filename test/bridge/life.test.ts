// deadline: 180 s
// slow
/** When a bridge connects, where, and what it says about it. */

import type { AddressInfo } from 'node:net';
import { connect as connectTcp, createServer, type Server } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BridgeLease, LeaseHolder } from '../../src/bridge/bridge-lease.js';
import { freePort } from '../support/port.js';
import { until, untilEvent, within } from '../support/until.js';
import { BrokerHere, numbers } from './support/broker-here.js';
import { CutLine } from './support/cut-line.js';

const test = suite('the life of a bridge');

const running: { stop(): Promise<unknown> }[] = [];

test.after.each(async () => {
  for (const one of running.reverse()) await one.stop();
  running.length = 0;
});

async function started(
  name: string,
  lines: readonly string[] = [],
  options: Parameters<typeof BrokerHere.start>[2] = {},
): Promise<BrokerHere> {
  const broker = await BrokerHere.start(name, lines, options);
  running.push(broker);
  return broker;
}

async function lineTo(broker: BrokerHere): Promise<CutLine> {
  const line = await CutLine.start(broker.port);
  running.push(line);
  return line;
}

function bridgeTo(port: number, ...lines: string[]): string[] {
  return ['connection b', `address 127.0.0.1:${port}`, 'restart_timeout 1', ...lines];
}

const stateTopic = '$SYS/broker/connection/near.b/state';

function retainedOf(broker: BrokerHere, topic: string): string | null {
  const message = broker.assembly.core.retained.get(topic);
  if (message === null) return null;
  return message.block.bytes.toString('utf8', message.payloadStart, message.end);
}

test('its state is a retained message here and there, by the will when it is cut off', async () => {
  const far = await started('far');
  const line = await lineTo(far);
  const lines = ['topic data/# both 1', 'notification_topic bridges/b'];
  const near = await started('near', bridgeTo(line.port, ...lines));
  await near.untilLogged('bridge connected');
  const watch = await far.subscriber('bridges/b');
  await until('state', () => retainedOf(near, 'bridges/b') === '1');
  assert.is(retainedOf(far, 'bridges/b'), '1');

  line.cut();
  await until('0 there', () => retainedOf(far, 'bridges/b') === '0');
  await until('0 here', () => retainedOf(near, 'bridges/b') === '0');
  line.restore();
  await until('1 there', () => retainedOf(far, 'bridges/b') === '1');
  await near.stop();
  await until('0 at the end', () => retainedOf(far, 'bridges/b') === '0');

  await watch.untilMessages(4);
  assert.equal(watch.payloads, ['1', '0', '1', '0']);
});

test('notifications stay here, or are none', async () => {
  const far = await started('far');
  const near = await started(
    'near',
    bridgeTo(far.port, 'topic # both 1', 'notifications_local_only true'),
  );
  await near.untilLogged('bridge connected');
  assert.is(retainedOf(near, stateTopic), '1');
  assert.is(near.count('bridge notification refused'), 0);

  const silent = await started('silent', bridgeTo(far.port, 'topic #', 'notifications false'));
  await silent.untilLogged('bridge connected');
  assert.is(retainedOf(silent, '$SYS/broker/connection/silent.b/state'), null);
  assert.is(far.assembly.core.metrics.dropped[7], 0);
});

test('a remote broker that does not take the notification loses nothing else', async () => {
  const far = await started('far');
  const near = await started(
    'near',
    bridgeTo(far.port, 'topic # out 1', 'bridge_protocol_version mqttv50'),
  );
  await near.untilLogged('bridge connected');
  const there = await far.subscriber('#');
  await (await near.connect()).publish('a', 'x', { qos: 1 });

  await there.untilMessages(1);
  const { fields } = await near.untilLogged('bridge notification refused');
  assert.is(fields.topic, stateTopic);
});

test('once: it is not tried again', async () => {
  const far = await started('far');
  const line = await lineTo(far);
  const near = await started('near', bridgeTo(line.port, 'topic #', 'start_type once'));
  await near.untilLogged('bridge connected');
  line.cut();
  await near.untilLogged('bridge stays disconnected');

  const other = await started('other', bridgeTo(await freePort(), 'topic #', 'start_type once'));
  await other.untilLogged('bridge stays disconnected');
  assert.is(other.count('bridge cannot connect'), 1);
});

test('lazy: it connects for so many messages, and leaves when there are none', async () => {
  const far = await started('far');
  const line = await lineTo(far);
  const lazy = ['start_type lazy', 'threshold 5', 'idle_timeout 1'];
  const near = await started('near', bridgeTo(line.port, 'topic # out 1', ...lazy));
  const there = await far.subscriber('t');
  const publisher = await near.connect();
  for (const n of numbers(4)) await publisher.publish('t', n, { qos: 1 });
  assert.is(line.connections, 0);

  await publisher.publish('t', '4', { qos: 1 });
  await there.untilMessages(5);
  await near.untilLogged('bridge is idle');
  await until('DISCONNECT', () => far.session('near.b')?.connection === null);
  for (const n of numbers(5)) await publisher.publish('t', n, { qos: 1 });
  await there.untilMessages(10);

  assert.equal(there.payloads, [...numbers(5), ...numbers(5)]);
  assert.is(line.connections, 2);
});

test('the other addresses are tried in turn, and the main one is gone back to', async () => {
  const [main, other] = [await started('main'), await started('other')];
  const line = await lineTo(main);
  line.cut();
  const near = await started('near', [
    ...['connection b', `addresses 127.0.0.1:${line.port} 127.0.0.1:${other.port}`],
    ...['restart_timeout 1', 'topic #'],
  ]);
  const first = await near.untilLogged('bridge connected');
  assert.is(first.fields.address, `127.0.0.1:${other.port}`);
  line.restore();

  await near.untilLogged('bridge goes back to its main address', 1, 15_000);
  const second = await near.untilLogged('bridge connected', 2);
  assert.is(second.fields.address, `127.0.0.1:${line.port}`);
});

test('round_robin: the next address is tried, and kept', async () => {
  const [one, two] = [await started('one'), await started('two')];
  const line = await lineTo(one);
  const near = await started('near', [
    ...['connection b', `addresses 127.0.0.1:${line.port} 127.0.0.1:${two.port}`],
    ...['round_robin true', 'restart_timeout 1', 'topic #'],
  ]);
  await near.untilLogged('bridge connected');
  line.cut();
  const second = await near.untilLogged('bridge connected', 2);

  assert.is(second.fields.address, `127.0.0.1:${two.port}`);
});

/** In front of a broker: refuses who says that it is a bridge, as brokers do that know none. */
function refusing(port: number, how: 'CONNACK' | 'silence'): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer((client) => {
      client.on('error', () => undefined);
      client.once('data', (bytes) => {
        // Level, behind the name "MQTT" of a CONNECT of less than 128 bytes.
        if (bytes[8]! >= 0x80) {
          if (how === 'CONNACK') client.end(Buffer.from([0x20, 2, 0, 1]));
          else client.destroy();
          return;
        }
        const target = connectTcp(port, '127.0.0.1');
        target.on('error', () => client.destroy());
        client.on('close', () => target.destroy());
        target.write(bytes);
        target.pipe(client);
        client.pipe(target);
      });
    });
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

for (const how of ['CONNACK', 'silence'] as const) {
  test(`a remote broker that knows no bridges has a client (refusal by ${how})`, async () => {
    const far = await started('far');
    const server = await refusing(far.port, how);
    running.push({ stop: () => new Promise((resolve) => server.close(resolve)) });
    const { port } = server.address() as AddressInfo;
    const near = await started('near', bridgeTo(port, 'topic # out 1', 'notifications false'));
    await near.untilLogged('bridge connected');

    assert.is(near.count('bridge is taken for a client'), 1);
    assert.is(near.count('bridge cannot connect'), 0);
    const there = await far.subscriber('a');
    await (await near.connect()).publish('a', 'x', { qos: 1 });
    await there.untilMessages(1);
  });
}

test('a remote broker that says nothing does not hold up the end', async () => {
  let closed = 0;
  const server = createServer((client) => {
    client.resume();
    client.on('close', () => closed++);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  running.push({ stop: () => new Promise((resolve) => server.close(resolve)) });
  const connected = untilEvent(server, 'connection');
  const { port } = server.address() as AddressInfo;
  const near = await started('near', bridgeTo(port, 'topic #'));
  await connected;

  await within('the end', near.stop(), { deadlineMs: 2_000 });
  await until('the end of the connection', () => closed === 1);
});

class ControlledLease implements BridgeLease {
  holder: LeaseHolder | null = null;
  released = 0;

  acquire(_name: string, holder: LeaseHolder): () => void {
    this.holder = holder;
    return () => {
      this.released++;
    };
  }
}

test('it runs while the lease is held, and not a moment longer', async () => {
  const far = await started('far');
  const lease = new ControlledLease();
  const near = await started('near', bridgeTo(far.port, 'topic # both 1'), { bridgeLease: lease });
  assert.is(near.session('local.near.b'), null);

  lease.holder!.onGranted();
  await near.untilLogged('bridge connected');
  lease.holder!.onLost();
  await until('the end', () => far.session('near.b')?.connection === null);
  assert.is(near.count('bridge lost its connection'), 0);
  lease.holder!.onGranted();
  await near.untilLogged('bridge connected', 2);
  await near.stop();

  assert.is(lease.released, 1);
});

test('a reload changes a bridge, at once or later, begins some and ends others', async () => {
  const [far, other] = [await started('far'), await started('other')];
  const line = await lineTo(far);
  const near = await started('near', bridgeTo(line.port, 'topic a out 1'));
  await near.untilLogged('bridge connected');
  const there = await far.subscriber('#');
  const publisher = await near.connect();

  near.reload(bridgeTo(line.port, 'topic b out 1'));
  await publisher.publish('b', 'early', { qos: 1 });
  await publisher.publish('a', '1', { qos: 1 });
  await there.untilMessages(1);
  line.cut();
  line.restore();
  await near.untilLogged('bridge connected', 2);
  await publisher.publish('a', 'late', { qos: 1 });
  await publisher.publish('b', '2', { qos: 1 });
  await there.untilMessages(2);
  near.reload(bridgeTo(line.port, 'topic c out 1', 'bridge_reload_type immediate'));
  await near.untilLogged('bridge connected', 3);
  await publisher.publish('c', '3', { qos: 1 });
  await there.untilMessages(3);
  assert.equal(there.payloads, ['1', '2', '3']);

  const more = ['connection d', `address 127.0.0.1:${other.port}`, 'topic #'];
  near.reload(more);
  await near.untilLogged('bridge connected', 4);
  await until('no session left', () => near.session('local.near.b') === null);
  const errors = near.reload([...more, 'bridge_cafile nowhere.crt']);
  assert.match(errors[0]!.message, 'bridge "d": bridge_cafile nowhere.crt cannot be read');
});

test('what is too large for the remote broker is dropped and counted', async () => {
  const far = await started('far', ['max_packet_size 1000']);
  const lines = ['topic # out 2', 'bridge_protocol_version mqttv50', 'notifications false'];
  const near = await started('near', bridgeTo(far.port, ...lines));
  await near.untilLogged('bridge connected');
  const there = await far.subscriber('#');
  const publisher = await near.connect();
  for (const qos of [0, 1, 2] as const) {
    await publisher.publish('t', Buffer.alloc(2_000), { qos });
    await publisher.publish('t', `${qos}`, { qos });
  }
  await there.untilMessages(3);

  assert.equal(there.payloads, numbers(3));
  const session = near.session('local.near.b')!;
  assert.is(session.dropped, 3);
  await until('all settled', () => session.outbox!.inflight + session.outbox!.queued === 0);
});

test('a lower Maximum QoS of the remote broker is kept to, and nothing is stuck', async () => {
  const far = await started('far', ['max_qos 1']);
  const lines = ['topic # out 2', 'bridge_protocol_version mqttv50', 'notifications false'];
  const near = await started('near', bridgeTo(far.port, ...lines));
  const publisher = await near.connect();
  await publisher.publish('t', '0', { qos: 2 });
  await near.untilLogged('bridge connected');
  const there = await far.subscriber('#', 1);
  for (const n of ['1', '2', '3']) await publisher.publish('t', n, { qos: 2 });
  await until('the last one', () => there.payloads.at(-1) === '3');

  assert.is(
    there.packets.every(({ qos }) => qos === 1),
    true,
  );
  const { outbox } = near.session('local.near.b')!;
  await until('all settled', () => outbox!.inflight + outbox!.queued === 0);
});

test('RETAIN is taken off where the remote broker takes none', async () => {
  const far = await started('far');
  const near = await started(
    'near',
    bridgeTo(far.port, 'topic # out 1', 'bridge_outgoing_retain false'),
  );
  await near.untilLogged('bridge connected');
  const there = await far.subscriber('t');
  await (await near.connect()).publish('t', 'x', { qos: 1, retain: true });
  await there.untilMessages(1);

  assert.is(retainedOf(far, 't'), null);
  assert.is(retainedOf(near, 't'), 'x');
});

test('what is retained when it first connects goes over', async () => {
  const far = await started('far');
  const line = await lineTo(far);
  line.cut();
  const near = await started('near', bridgeTo(line.port, 'topic # both 1'));
  await (await near.connect()).publish('here', 'x', { qos: 1, retain: true });
  await (await far.connect()).publish('there', 'y', { qos: 1, retain: true });
  line.restore();
  await near.untilLogged('bridge connected');

  await until('here to there', () => retainedOf(far, 'here') === 'x');
  await until('there to here', () => retainedOf(near, 'there') === 'y');
});

test.run();
