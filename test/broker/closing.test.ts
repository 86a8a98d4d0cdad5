/** However connections end, what they had is given back and all gauges return to zero. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AuthenticationStep } from '../../src/broker/access.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('closing');

/** Everything that counts what is there now. */
function gauges({ core }: FakeBroker): Readonly<Record<string, number>> {
  core.refreshGauges();
  const { metrics } = core;
  return {
    bytesWaiting: metrics.bytesWaiting,
    connectionsOpen: metrics.connectionsOpen,
    connections: core.connections.size,
    clientsConnected: metrics.clientsConnected,
    sessions: metrics.sessions,
    sessionsHeld: core.sessions.size,
    messagesQueued: metrics.messagesQueued,
    bytesQueued: metrics.bytesQueued,
    subscriptions: core.index.size,
    deadlines: core.deadlines.size,
  };
}

function isAllZero(broker: FakeBroker, when: string): void {
  const busy = Object.entries(gauges(broker)).filter(([, value]) => value !== 0);
  assert.equal(busy, [], when);
}

/** A client with everything that a connection can own. */
function busyClient(broker: FakeBroker, clientId: string, expiry: number): FakeClient {
  const client = broker.connect({
    clientId,
    keepalive: 60,
    properties: { sessionExpiryInterval: expiry, topicAliasMaximum: 10 },
    will: {
      topic: 'will',
      payload: Buffer.from('gone'),
      qos: 1,
      properties: { willDelayInterval: 5 },
    },
  });
  client.subscribe('a/#', { qos: 2 });
  client.subscribe('$share/g/a/+', { qos: 1 });
  client.subscribe('will', { qos: 2 });
  for (let n = 0; n < 5; n++) client.publish('a/b', 'x', { qos: 2, messageId: n + 1 });
  client.transport.stall();
  for (let n = 0; n < 50; n++) client.publish('a/b', 'x'.repeat(5_000));
  return client;
}

const endings: Readonly<Record<string, (broker: FakeBroker, client: FakeClient) => void>> = {
  break: (_broker, client) => client.drop(),
  'DISCONNECT 0x00': (_broker, client) => client.disconnect(),
  'DISCONNECT 0x04': (_broker, client) => client.disconnect(4),
  takeover: (broker) => {
    const clientId = 'one';
    broker.connect({ clientId, clean: false, properties: { sessionExpiryInterval: 10 } }).drop();
  },
  'protocol error': (_broker, client) => client.sendBytes([0xf0, 0]),
  'keep-alive': (broker) => broker.advance(90_000),
  shutdown: (broker) => {
    broker.core.shutdown(ReasonCode.ServerShuttingDown);
    broker.settle();
  },
};

for (const [how, end] of Object.entries(endings)) {
  for (const expiry of [0, 10]) {
    test(`${how}, session expiry ${expiry}: nothing is left`, () => {
      const broker = new FakeBroker();
      const client = busyClient(broker, 'one', expiry);
      end(broker, client);
      client.transport.drain();
      broker.settle();
      assert.is(client.isOpen, false);
      assert.equal(gauges(broker).bytesWaiting, 0);
      broker.advance(10_000);
      isAllZero(broker, 'after the session is over');
    });
  }
}

test('hundreds of clients that come and go leave nothing', () => {
  const broker = new FakeBroker();
  const clients = Array.from({ length: 200 }, (_, n) => {
    const client = broker.connect({
      clientId: `client-${n}`,
      keepalive: n % 3,
      properties: { sessionExpiryInterval: n % 4 },
    });
    client.subscribe(n % 2 === 0 ? 'a/+' : `$share/g${n % 5}/a/#`, { qos: 1 });
    client.isAcknowledging = n % 7 !== 0;
    return client;
  });
  for (const [n, client] of clients.entries()) {
    if (client.isOpen) client.publish(`a/${n % 10}`, 'x', { qos: 1, messageId: 1 });
    if (n % 5 === 0) client.drop();
  }
  for (const client of clients) if (client.isOpen) client.disconnect();
  broker.advance(10_000);
  isAllZero(broker, 'after all are gone');
  assert.is(broker.core.metrics.clientsConnectedMax, 200);
});

const refusals: Readonly<Record<string, (broker: FakeBroker) => void>> = {
  'a wrong password': (broker) => {
    const reasonCode = ReasonCode.BadUserNameOrPassword;
    broker.access.authenticate = () => ({ ok: false, reasonCode, reasonString: 'no' });
    broker.request();
  },
  'an authentication that fails': (broker) => {
    broker.access.authenticate = () => Promise.reject(new Error('down'));
    broker.request();
  },
  'a client that leaves while it is authenticated': (broker) => {
    broker.access.authenticate = () => new Promise(() => undefined);
    broker.request().drop();
  },
  'an unknown Authentication Method': (broker) => {
    broker.request({ properties: { authenticationMethod: 'X' } });
  },
  'a failed exchange': (broker) => {
    const failure: AuthenticationStep = {
      kind: 'failure',
      reasonCode: ReasonCode.NotAuthorized,
      reasonString: 'no',
    };
    broker.access.beginExchange = () => ({ step: () => failure });
    broker.request({ properties: { authenticationMethod: 'X' } });
  },
  'an exchange that the client breaks off': (broker) => {
    broker.access.beginExchange = () => ({ step: () => ({ kind: 'continue', data: null }) });
    broker.request({ properties: { authenticationMethod: 'X' } }).drop();
  },
  memory_limit: (broker) => {
    broker.core.isMemoryTight = true;
    broker.request();
  },
  'a re-authentication that the client breaks off': (broker) => {
    let steps = 0;
    const step = (): AuthenticationStep =>
      steps++ === 0
        ? { kind: 'success', data: null, username: null }
        : { kind: 'continue', data: null };
    broker.access.beginExchange = () => ({ step });
    const client = broker.connect({ properties: { authenticationMethod: 'X' } });
    const properties = { authenticationMethod: 'X' };
    client.send({ cmd: 'auth', reasonCode: 0x19, properties });
    assert.is(client.takeFirst('auth').reasonCode, 0x18);
    client.drop();
  },
  'garbage before CONNECT': (broker) => broker.open().sendBytes([0, 0, 0, 0]),
  'a second CONNECT': (broker) => {
    const client = broker.connect();
    client.sendBytes([0x10, 2, 0, 0]);
    assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.ProtocolError);
  },
};

for (const [why, refuse] of Object.entries(refusals)) {
  test(`refused for ${why}: nothing is left at once, not even a deadline`, async () => {
    const broker = new FakeBroker();
    refuse(broker);
    await broker.settleLater();
    isAllZero(broker, 'right after the refusal');
  });
}

test('the last words reach a client that reads, and the transport is ended, not destroyed', () => {
  const broker = new FakeBroker();
  const client = broker.connect();
  client.sendBytes([0xf0, 0]);
  assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.ProtocolError);
  assert.equal([client.transport.isEnded, client.transport.isDestroyed], [true, false]);
});

test('a client that cannot take CONNACK is not told anything before it, and has no will', () => {
  const broker = new FakeBroker();
  const watcher = broker.connect();
  watcher.subscribe('will');
  const client = broker.request({
    properties: { maximumPacketSize: 4 },
    will: { topic: 'will', payload: Buffer.from('gone'), qos: 0 },
  });
  assert.is(client.isOpen, false);
  const first = client.take()[0];
  assert.ok(first === undefined || first.cmd === 'connack', `first came ${first?.cmd}`);
  assert.equal(watcher.takePayloads(), []);
  assert.is(broker.core.sessions.size, 1);
});

test('the observer hears of each connection that came, once, and of its end, once', () => {
  const heard: string[] = [];
  const broker = new FakeBroker({
    observer: {
      clientConnected: ({ clientId }, isPresent) => heard.push(`+${clientId} ${isPresent}`),
      clientDisconnected: ({ clientId }, code) => heard.push(`-${clientId} ${code}`),
    },
  });
  const options = { clientId: 'one', clean: false, properties: { sessionExpiryInterval: 9 } };
  broker.connect(options);
  broker.connect(options).disconnect(4);
  broker.connect(options).drop();
  assert.equal(heard, [
    '+one false',
    `-one ${ReasonCode.SessionTakenOver}`,
    '+one true',
    '-one 4',
    '+one true',
    `-one ${ReasonCode.UnspecifiedError}`,
  ]);
});

test.run();
