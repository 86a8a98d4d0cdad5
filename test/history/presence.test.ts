/** Who came and went, as events: what waits for Redis, and what a dead broker cannot say. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ClientIdentity } from '../../src/broker/access.js';
import { silentObserver } from '../../src/broker/observer.js';
import { Presence, withPresence } from '../../src/history/presence.js';
import { DurableBroker } from '../broker/durable/support/durable-broker.js';
import { FakeLog, fabricOf, noFabric } from './fake-log.js';

const test = suite('presence');

async function start(): Promise<{ readonly broker: DurableBroker; readonly log: FakeLog }> {
  return { broker: await DurableBroker.start(), log: new FakeLog() };
}

test('an observer hears all that it would without presence', () => {
  assert.is(withPresence(silentObserver, null), silentObserver);
  const heard: string[] = [];
  const note =
    (name: string) =>
    (...args: readonly unknown[]): void => {
      heard.push(`${name} ${args.length}`);
    };
  const both = withPresence(
    {
      clientConnected: note('connected'),
      clientDisconnected: note('disconnected'),
      subscribed: note('subscribed'),
      unsubscribed: note('unsubscribed'),
      wantsPublish: true,
      published: note('published'),
      dropped: note('dropped'),
    },
    new Presence(noFabric),
  );
  const peer = { remoteAddress: '::1', remotePort: 5 };
  const client = { clientId: 'c', username: null, peer } as unknown as ClientIdentity;
  both.clientConnected(client, true);
  both.clientDisconnected(client, 0, 'x');
  both.subscribed(client, 'f', 1);
  both.unsubscribed(client, 'f');
  both.published(client, {} as never);
  both.dropped(0, 'c', 't', 1);
  assert.is(both.wantsPublish, true);
  assert.equal(heard, [
    'connected 2',
    'disconnected 3',
    'subscribed 3',
    'unsubscribed 2',
    'published 2',
    'dropped 4',
  ]);
});

test('presence events that wait have a limit', async () => {
  const { broker, log } = await start();
  log.isHolding = true;
  const presence = new Presence(noFabric);
  presence.open(broker.broker.core, log);
  const identity = (await broker.connect({ clientId: 'c' })) && identityOf(broker, 'c');
  for (let at = 0; at < 10_005; at++) presence.onSubscribed(identity, 'f', 1);
  assert.equal(presence.figures(), { 'presence/written': 0, 'presence/dropped': 5 });
  log.release();
  assert.is(presence.figures()['presence/written'], 10_000);
  const { time, ...fields } = log.events[0]!;
  assert.match(time!, /^\d{13}$/);
  assert.equal(fields, { type: 'subscribe', client: 'c', node: 'n~1', filter: 'f', qos: '1' });
});

test('the first of the brokers that are left says who has gone', async () => {
  const { broker, log } = await start();
  for (const [node, said] of [
    ['b~2', ['c~3']],
    ['d~4', []],
  ] as const) {
    const fabric = fabricOf(node, 'c~3', node === 'b~2' ? 'd~4' : 'b~2');
    const peers = fabric.peers as Set<string>;
    const presence = new Presence(fabric);
    presence.open(broker.broker.core, log);
    presence.tick();
    peers.delete('c~3');
    Object.assign(fabric, { freshUntilMs: Number.NEGATIVE_INFINITY });
    presence.tick();
    assert.equal(log.events, [], 'it is not sure');
    Object.assign(fabric, { freshUntilMs: Number.POSITIVE_INFINITY });
    presence.tick();
    presence.tick();
    const events = log.events.splice(0).map(({ type, node }) => [type, node]);
    assert.equal(
      events,
      said.map((gone) => ['broker_left', gone]),
    );
    peers.clear();
    Object.assign(fabric, { node: `${node}again` });
    presence.tick();
    assert.equal(log.events, [], 'under its new name it begins anew');
  }
});

function identityOf(broker: DurableBroker, clientId: string): ClientIdentity {
  return broker.broker.core.sessions.get(clientId)!.identity;
}

test.run();
