/** Clients that leave, or are made to leave, while an authorizer is asked about their packets. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HOOK_TIMEOUT_MS, HookAccess } from '../../src/access/hook-access.js';
import { silentLog } from '../../src/base/log.js';
import type { AuthenticationStep } from '../../src/broker/access.js';
import { GONE_MS } from '../../src/broker/keep-alive.js';
import { DropReason } from '../../src/broker/metrics.js';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('held for an answer');

const durable = { clean: false, properties: { sessionExpiryInterval: 1_000 } } as const;

interface Scene {
  readonly broker: FakeBroker;
  readonly reader: FakeClient;
  /** What the authorizer has been asked and not answered yet. */
  readonly answers: ((isAllowed: boolean) => void)[];
}

/** Publishing is allowed by promise only; `reader` gets everything. */
function brokerThatAsks(): Scene {
  const broker = new FakeBroker();
  const answers: ((isAllowed: boolean) => void)[] = [];
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = () => new Promise((resolve) => answers.push(resolve));
  const reader = broker.connect({ clientId: 'reader' });
  reader.subscribe('#', { qos: 2 });
  return { broker, reader, answers };
}

for (const isAllowed of [true, false]) {
  for (const qos of [0, 1, 2] as const) {
    const what = isAllowed ? 'heard' : 'counted as denied';
    test(`QoS ${qos}: what a client left behind is ${what} when the answer comes`, async () => {
      const { broker, reader, answers } = brokerThatAsks();
      const leaver = broker.connect();
      leaver.publish('a', 'last words', { qos, messageId: 1 });
      // The transport tells of the end although the client is held.
      leaver.drop();
      assert.is(broker.core.connections.size, 1);
      answers[0]!(isAllowed);
      await broker.settleLater();
      assert.equal(reader.takePayloads(), isAllowed ? ['last words'] : []);
      assert.is(broker.core.metrics.dropped[DropReason.NotAuthorized], isAllowed ? 0 : 1);
    });
  }
}

for (const clean of [true, false]) {
  test(`a takeover, clean start ${clean}, costs no QoS 0 message that is asked about`, async () => {
    const { broker, reader, answers } = brokerThatAsks();
    const options = { clientId: 'one', ...durable };
    broker.connect(options).publish('a', 'asked about');
    broker.connect({ ...options, clean });
    answers[0]!(true);
    await broker.settleLater();
    assert.equal(reader.takePayloads(), ['asked about']);
  });
}

test('QoS 2, answered and then sent again, comes once [MQTT-4.3.3-10]', async () => {
  const { broker, reader, answers } = brokerThatAsks();
  const options = { clientId: 'one', ...durable };
  const first = broker.connect(options);
  first.publish('a', 'x', { qos: 2, messageId: 7 });
  first.drop();
  answers[0]!(true);
  await broker.settleLater();
  const second = broker.connect(options);
  second.publish('a', 'x', { qos: 2, messageId: 7, dup: true });
  assert.is(second.takeFirst('pubrec').messageId, 7);
  assert.is(answers.length, 1, 'it is known already');
  assert.equal(reader.takePayloads(), ['x']);
});

for (const order of [
  [0, 1],
  [1, 0],
]) {
  test(`QoS 2, sent again before answers ${order}, comes once [MQTT-4.3.3-10]`, async () => {
    const { broker, reader, answers } = brokerThatAsks();
    const options = { clientId: 'one', ...durable };
    broker.connect(options).publish('a', 'x', { qos: 2, messageId: 7 });
    const second = broker.connect(options);
    second.publish('a', 'x', { qos: 2, messageId: 7, dup: true });
    for (const index of order) {
      answers[index]!(true);
      await broker.settleLater();
      if (index === 1) second.acknowledge('pubrel', 7);
    }
    assert.is(second.take('pubrec').length, 1);
    assert.is(second.take('pubcomp').length, 1);
    assert.equal(reader.takePayloads(), ['x']);
  });
}

for (const isAllowed of [true, false]) {
  for (const wrap of [<T>(value: T) => value, <T>(value: T) => Promise.resolve(value)]) {
    test('a hook may disconnect the client whose PUBLISH it is asked about', async () => {
      const broker = new FakeBroker();
      const { access, core } = broker;
      const reader = broker.connect();
      reader.subscribe('#');
      access.restrictsPublish = true;
      access.mayPublish = ({ clientId }) => {
        core.sessions.get(clientId)?.connection?.disconnect(0x98, 'not like this');
        return wrap(isAllowed);
      };
      for (const qos of [0, 1, 2] as const) {
        const client = broker.connect({ clientId: 'client' });
        client.publish('a', `${qos}`, { qos, messageId: 1 });
        await broker.settleLater();
        assert.equal(
          client.take().map(({ cmd }) => cmd),
          ['disconnect'],
        );
      }
      assert.equal(reader.takePayloads(), isAllowed ? ['0', '1', '2'] : []);
      assert.is(core.metrics.dropped[DropReason.NotAuthorized], isAllowed ? 0 : 3);
    });
  }
}

for (const wrap of [<T>(value: T) => value, <T>(value: T) => Promise.resolve(value)]) {
  test('a hook may disconnect the client whose SUBSCRIBE it is asked about', async () => {
    const broker = new FakeBroker();
    const { access, core } = broker;
    access.restrictsSubscribe = true;
    access.maySubscribe = ({ clientId }) => {
      core.sessions.get(clientId)?.connection?.disconnect(0x98, 'not like this');
      return wrap(true);
    };
    const client = broker.connect({ clientId: 'client' });
    const subscriptions = ['a', 'b'].map((topic) => ({ topic, qos: 0 as const }));
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions });
    await broker.settleLater();
    assert.equal(
      client.take().map(({ cmd }) => cmd),
      ['disconnect'],
    );
    assert.is(core.index.size, 0);
  });

  test('a hook may disconnect the client that authenticates itself anew', async () => {
    const broker = new FakeBroker();
    const { access, core } = broker;
    const success: AuthenticationStep = { kind: 'success', data: null, username: 'alice' };
    access.beginExchange = () => ({
      step: () => {
        core.sessions.get('client')?.connection?.disconnect(0x98, 'not like this');
        return wrap(success);
      },
    });
    const properties = { authenticationMethod: 'MINE' };
    const client = broker.request({ clientId: 'client', properties });
    await broker.settleLater();
    client.takeFirst('connack');
    client.send({ cmd: 'auth', reasonCode: 0x19, properties });
    await broker.settleLater();
    assert.equal(
      client.take().map(({ cmd }) => cmd),
      ['disconnect'],
    );
  });
}

test('a hook may disconnect the client that wants to authenticate itself anew', () => {
  const broker = new FakeBroker();
  const { access, core } = broker;
  const success: AuthenticationStep = { kind: 'success', data: null, username: 'alice' };
  let asked = 0;
  access.beginExchange = () => {
    core.sessions.get('client')?.connection?.disconnect(0x98, 'not like this');
    return {
      step: () => {
        asked++;
        return success;
      },
    };
  };
  const properties = { authenticationMethod: 'MINE' };
  const client = broker.connect({ clientId: 'client', properties });
  client.send({ cmd: 'auth', reasonCode: 0x19, properties });
  assert.equal(
    client.take().map(({ cmd }) => cmd),
    ['disconnect'],
  );
  assert.is(asked, 1, 'for CONNECT only');
  assert.equal([core.deadlines.size, core.metrics.protocolErrors], [0, 0]);
});

test('a late answer is remembered for the topic, unless the rules changed meanwhile', async () => {
  const { broker, reader, answers } = brokerThatAsks();
  const { access } = broker;
  access.publishAnswersLast = true;
  const client = broker.connect();
  client.publish('a', '1');
  answers[0]!(true);
  await broker.settleLater();
  client.publish('a', '2');
  assert.is(answers.length, 1);
  assert.equal(reader.takePayloads(), ['1', '2']);
  access.version++;
  client.publish('a', '3');
  assert.is(answers.length, 2);
  access.version++;
  answers[1]!(true);
  await broker.settleLater();
  client.publish('a', '4');
  assert.is(answers.length, 3);
});

/** A broker whose `authorizePublish` never answers. */
function brokerThatNeverHears(): FakeBroker & { asked: number } {
  const broker = Object.assign(new FakeBroker(), { asked: 0 });
  const hooks = {
    authorizePublish: () => {
      broker.asked++;
      return new Promise<boolean>(() => undefined);
    },
  };
  const { clock, core } = broker;
  const options = { log: silentLog, clock, deadlines: core.deadlines };
  const access = new HookAccess(broker.access, hooks, options);
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = (...question) => access.mayPublish(...question);
  return broker;
}

test('an authorizer that never answers refuses in time, and the client goes on', async () => {
  const broker = brokerThatNeverHears();
  const client = broker.connect();
  client.publish('a', 'x', { qos: 1, messageId: 1 });
  broker.advance(HOOK_TIMEOUT_MS - 1);
  await broker.settleLater();
  assert.equal(client.take('puback'), []);
  broker.advance(1);
  await broker.settleLater();
  assert.is(client.takeFirst('puback').reasonCode, 0x87);
  client.send({ cmd: 'pingreq' });
  assert.is(client.take('pingresp').length, 1);
});

test('an authorizer that never answers keeps nobody in memory who is gone', async () => {
  const broker = brokerThatNeverHears();
  const client = broker.connect();
  for (let n = 0; n < 1_000; n++) {
    client.post({ cmd: 'publish', topic: 'a', payload: 'x', qos: 0, dup: false, retain: false });
  }
  broker.settle();
  client.drop();
  assert.is(broker.core.connections.size, 1, 'what it sent is still heard');
  for (let waited = 0; waited < GONE_MS; waited += HOOK_TIMEOUT_MS) {
    broker.advance(HOOK_TIMEOUT_MS);
    await broker.settleLater();
  }
  assert.is(broker.core.connections.size, 0);
  assert.is(broker.core.deadlines.size, 0);
  assert.is(broker.asked, GONE_MS / HOOK_TIMEOUT_MS);
});

test.run();
