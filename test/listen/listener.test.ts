/** Binding: where a listener listens, and what it says when it cannot. */

import { existsSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/base/clock.js';
import { BrokerError } from '../../src/base/errors.js';
import type { ListenerConfig } from '../../src/config/config.js';
import { placesOf } from '../../src/listen/bind.js';
import { Child } from '../support/process.js';
import { TempFolder } from '../support/temp.js';
import { untilEvent } from '../support/until.js';
import { SocketClient } from './support/clients.js';
import { Rig } from './support/rig.js';

const test = suite('listener');
const folder = new TempFolder();
const loopback = Object.entries(networkInterfaces()).find(([, infos]) =>
  infos?.some(({ address }) => address === '127.0.0.1'),
)?.[0];
const hasIpv6 = Object.values(networkInterfaces()).some((infos) =>
  infos?.some(({ address }) => address === '::1'),
);

async function failure(config: Partial<ListenerConfig>): Promise<BrokerError> {
  try {
    const rig = await Rig.open(config);
    await rig.close();
  } catch (error) {
    assert.instance(error, BrokerError);
    return error as BrokerError;
  }
  throw new Error('the listener opened');
}

async function reports(config: Partial<ListenerConfig>, pattern: RegExp): Promise<void> {
  const error = await failure(config);
  assert.is(error.code, 'LISTEN');
  assert.match(error.message, pattern);
  assert.match(error.message, /^listener [^\n]+$/);
}

test('a connection over IPv4 has a plain address, also on a dual-stack listener', () =>
  Rig.with({ host: null }, {}, async (rig) => {
    const client = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
    const { transport } = await rig.recorder();

    assert.equal(transport.peer, {
      remoteAddress: '127.0.0.1',
      remotePort: (client.socket.address() as AddressInfo).port,
      identity: null,
      subject: null,
      isTls: false,
    });
    client.destroy();
  }));

test('a connection over a Unix socket has the address unix', async () => {
  for (const fastEdge of [true, false]) {
    await Rig.with({ socketPath: folder.file('u') }, { fastEdge }, async (rig) => {
      const client = await SocketClient.tcp({ path: folder.file('u') });
      assert.is((await rig.recorder()).transport.peer.remoteAddress, 'unix');
      assert.equal(rig.listener.addresses(), [folder.file('u')]);
      client.destroy();
    });
  }
});

test('the core hears when the connection was accepted', () =>
  Rig.with({}, {}, async (rig) => {
    const beforeMs = systemClock.nowMs();
    const client = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
    const { acceptedAtMs } = await rig.recorder();
    assert.ok(acceptedAtMs >= beforeMs && acceptedAtMs <= systemClock.nowMs());
    client.destroy();
  }));

test('after close nobody listens, and connections of the core go on', async () => {
  const rig = await Rig.open();
  const { port } = rig;
  const client = await SocketClient.tcp({ port, host: '127.0.0.1' });
  const recorder = await rig.recorder();
  await rig.listener.close();
  client.send(Buffer.from('still here'));
  await recorder.untilBytes(10);
  const next = await Rig.open({ port });
  assert.is(next.port, port);
  client.destroy();
  await rig.close();
  await next.close();
});

test('close drops connections that the core does not know yet', async () => {
  for (const fastEdge of [true, false]) {
    const rig = await Rig.open({ proxyProtocol: 1 }, { fastEdge });
    const client = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
    client.send(Buffer.from('PROXY'));
    await rig.listener.close();
    await client.untilOver();
    await rig.close();
    client.destroy();
  }
});

test('a port in use is reported', () =>
  Rig.with({}, {}, async (rig) => {
    const { port } = rig;
    const pattern = new RegExp(`^listener 127\\.0\\.0\\.1:${port}: port ${port} is in use`);
    await reports({ port }, pattern);
  }));

test('an address of another machine is reported', () =>
  reports({ host: '192.0.2.77' }, /192\.0\.2\.77 is not an address of this machine/));

test('a host name that does not exist is reported', () =>
  reports({ host: 'no-such-host.invalid' }, /host name no-such-host\.invalid cannot be resolved/));

test('an address of the other family is reported', () =>
  reports(
    { host: '127.0.0.1', socketDomain: 'ipv6' },
    /127\.0\.0\.1 is not of socket_domain ipv6/,
  ));

test('an unknown interface is reported with the known ones', () =>
  reports({ host: null, bindInterface: 'nope0' }, new RegExp(`no interface nope0 .*${loopback}`)));

test('an interface without the host is reported', () =>
  reports(
    { host: '192.0.2.77', bindInterface: loopback ?? '' },
    new RegExp(`interface ${loopback} has not that address`),
  ));

test('bind_interface binds the addresses of the interface, of one family or of both', async () => {
  const base = { name: 'x', port: 0, host: null, socketPath: null, bindInterface: loopback ?? '' };
  assert.equal(await placesOf({ ...base, socketDomain: 'ipv4' }), [{ host: '127.0.0.1' }]);
  const both = await placesOf({ ...base, socketDomain: null });
  assert.ok(both.some(({ host }) => host === '127.0.0.1'));
  assert.is(
    both.some(({ host }) => host === '::1'),
    hasIpv6,
  );
  await Rig.with({ host: null, bindInterface: loopback ?? '' }, {}, async (rig) => {
    const client = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
    const ports = rig.listener.addresses().map((address) => (address as AddressInfo).port);
    assert.is(new Set(ports).size, 1);
    client.destroy();
  });
});

test('socket_domain chooses the family', async () => {
  const base = { name: 'x', port: 0, socketPath: null, bindInterface: null };
  const of = (host: string | null, socketDomain: 'ipv4' | 'ipv6' | null) =>
    placesOf({ ...base, host, socketDomain });
  assert.equal(await of(null, null), [{}]);
  assert.equal(await of(null, 'ipv4'), [{ host: '0.0.0.0' }]);
  assert.equal(await of(null, 'ipv6'), [{ host: '::', ipv6Only: true }]);
  assert.equal(await of('localhost', 'ipv4'), [{ host: '127.0.0.1' }]);
});

test('a stale Unix socket is replaced', async () => {
  const path = folder.file('stale');
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () =>
    console.log('listening'))`;
  const child = await Child.start(process.execPath, ['-e', script]);
  await child.untilLine('listening');
  await child.stop('SIGKILL');
  assert.ok(statSync(path).isSocket());

  await Rig.with({ socketPath: path }, {}, async (rig) => {
    const client = await SocketClient.tcp({ path });
    await rig.recorder();
    client.destroy();
  });
  assert.is(existsSync(path), false);
});

test('a Unix socket that somebody listens on is left alone', async () => {
  const path = folder.file('busy');
  const server = createServer();
  server.listen(path);
  await untilEvent(server, 'listening');
  await reports({ socketPath: path }, /busy is in use by another program/);
  const client = await SocketClient.tcp({ path });
  client.destroy();
  server.close();
});

test('a file that is no socket is left alone', async () => {
  const path = folder.write('file', 'precious');
  await reports({ socketPath: path }, /exists and is no socket/);
  assert.ok(existsSync(path));
});

test('a Unix socket in a missing folder, or with a long path, is reported', async () => {
  await reports({ socketPath: folder.file('none/s') }, /the folder of .* does not exist/);
  await reports({ socketPath: `/tmp/${'x'.repeat(120)}` }, /longer than 107 bytes/);
});

test.run();
