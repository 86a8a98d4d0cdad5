/** Admission by itself on a fake clock, and the listener that obeys it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock, systemClock } from '../../src/base/clock.js';
import { Admission, ListenerAdmission } from '../../src/listen/admission.js';
import { until } from '../support/until.js';
import { SocketClient } from './support/clients.js';
import { noLimits, Rig, serverTls } from './support/rig.js';

const test = suite('admission');

function admission(limits: Partial<typeof noLimits>, clock = new FakeClock()): Admission {
  return new Admission({ ...noLimits, ...limits }, clock);
}

test('without limits everybody may come', () => {
  const listener = new ListenerAdmission(admission({}), -1);
  for (let count = 0; count < 1_000; count += 1) {
    assert.is(listener.enter(), null);
    assert.is(listener.enterAddress('192.0.2.1'), null);
  }
  assert.is(listener.connections, 1_000);
});

test('the maximum of the broker holds over all listeners, and a leaver makes room', () => {
  const shared = admission({ connectionsMax: 2 });
  const [one, two] = [new ListenerAdmission(shared, -1), new ListenerAdmission(shared, -1)];

  assert.is(one.enter(), null);
  assert.is(two.enter(), null);
  assert.is(one.enter(), 'broker_full');
  two.leave(null);
  assert.is(one.enter(), null);
  assert.is(shared.connections, 2);
});

test('a maximum of zero lets nobody in', () => {
  assert.is(new ListenerAdmission(admission({ connectionsMax: 0 }), -1).enter(), 'broker_full');
  assert.is(new ListenerAdmission(admission({}), 0).enter(), 'listener_full');
});

test('the maximum of a listener holds for it alone', () => {
  const shared = admission({});
  const [one, two] = [new ListenerAdmission(shared, 1), new ListenerAdmission(shared, 1)];

  assert.is(one.enter(), null);
  assert.is(one.enter(), 'listener_full');
  assert.is(two.enter(), null);
});

test('an address may have as many connections as the limit says', () => {
  const listener = new ListenerAdmission(admission({ connectionsPerAddressMax: 2 }), -1);

  assert.is(listener.enterAddress('a'), null);
  assert.is(listener.enterAddress('a'), null);
  assert.is(listener.enterAddress('a'), 'address_full');
  assert.is(listener.enterAddress('b'), null);
  listener.leave('a');
  assert.is(listener.enterAddress('a'), null);
});

test('a limit that came later counts earlier connections', () => {
  const shared = admission({});
  const listener = new ListenerAdmission(shared, -1);
  listener.enterAddress('a');
  shared.setLimits({ ...noLimits, connectionsPerAddressMax: 1 });
  assert.is(listener.enterAddress('a'), 'address_full');
  listener.leave('a');

  assert.is(listener.enterAddress('a'), null);
  assert.is(listener.enterAddress('a'), 'address_full');
});

test('the rate allows one second’s worth at once and refills with time', () => {
  const clock = new FakeClock();
  const listener = new ListenerAdmission(admission({ connectRatePerSecond: 3 }, clock), -1);
  const enterAll = (count: number) => Array.from({ length: count }, () => listener.enter());

  assert.equal(enterAll(4), [null, null, null, 'connect_rate']);
  clock.advance(334);
  assert.equal(enterAll(2), [null, 'connect_rate']);
  clock.advance(60_000);
  assert.equal(enterAll(4), [null, null, null, 'connect_rate']);
});

test('who is refused for another reason costs no rate', () => {
  const shared = admission({ connectRatePerSecond: 1, connectionsMax: 0 });
  const listener = new ListenerAdmission(shared, -1);
  assert.is(listener.enter(), 'broker_full');
  shared.setLimits({ ...noLimits, connectRatePerSecond: 1 });

  assert.is(listener.enter(), null);
});

for (const [name, config, options] of [
  ['the fast edge', {}, {}],
  ['net.Socket', {}, { fastEdge: false }],
  ['TLS', { tls: serverTls() }, {}],
] as const) {
  const connect = (rig: Rig) =>
    'tls' in config
      ? SocketClient.tlsPending(rig.port, {})
      : SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });

  test(`${name}: one connection too many is closed at once, and the next one may come`, () =>
    Rig.with({ ...config, maxConnections: 1 }, options, async (rig) => {
      const first = await connect(rig);
      const recorder = await rig.recorder(0);
      const second = await connect(rig);
      await second.untilOver();
      assert.equal(rig.refused, ['listener_full']);
      assert.is(rig.listener.connections, 1);

      first.destroy();
      await recorder.untilClosed();
      await until('room', () => rig.listener.connections === 0);
      const third = await connect(rig);
      await rig.recorder(1);
      for (const client of [second, third]) client.destroy();
    }));

  test(`${name}: a listener that does not accept closes at once and then accepts again`, () =>
    Rig.with(config, options, async (rig) => {
      rig.listener.setAccepting(false);
      const refused = await connect(rig);
      await refused.untilOver();
      assert.equal(rig.refused, ['paused']);
      rig.listener.setAccepting(true);
      const client = await connect(rig);
      await rig.recorder(0);
      for (const each of [refused, client]) each.destroy();
    }));

  test(`${name}: one address has its limit`, () => {
    const shared = new Admission({ ...noLimits, connectionsPerAddressMax: 1 }, systemClock);
    return Rig.with(config, { ...options, admission: shared }, async (rig) => {
      const first = await connect(rig);
      await rig.recorder(0);
      const second = await connect(rig);
      await second.untilOver();
      assert.equal(rig.refused, ['address_full']);
      for (const client of [first, second]) client.destroy();
    });
  });
}

test.run();
