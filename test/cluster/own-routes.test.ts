/** What other brokers are told of who subscribes here. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RouteKind } from '../../src/broker/peers.js';
import type { Session } from '../../src/broker/session.js';
import type { StoredSession } from '../../src/broker/stored-session.js';
import { OwnRoutes } from '../../src/cluster/own-routes.js';
import { sessionOf, subscriptionOf } from '../broker/support/builders.js';

const test = suite('own routes');

function told(): { routes: OwnRoutes; said: string[] } {
  const said: string[] = [];
  return { said, routes: new OwnRoutes((filter, kinds) => said.push(`${filter} ${kinds}`)) };
}

function durable(clientId: string): Session {
  const session = sessionOf(clientId);
  session.stored = {} as StoredSession;
  return session;
}

test('a filter is told once, however many subscribe to it, and once when the last goes', () => {
  const { routes, said } = told();
  const one = subscriptionOf(sessionOf('a', false), 'x/#');
  const other = subscriptionOf(sessionOf('b', false), 'x/#');
  routes.add(one);
  routes.add(other);
  routes.remove(one);
  assert.equal(said, [`x/# ${RouteKind.Transient}`]);
  routes.remove(other);
  assert.equal(said, [`x/# ${RouteKind.Transient}`, 'x/# 0']);
  assert.is(routes.size, 0);
});

test('transient and durable sessions are told apart, and durable ones by QoS 0', () => {
  const { routes, said } = told();
  const subscriptions = [
    subscriptionOf(durable('a'), 'x', { qos: 1 }),
    subscriptionOf(durable('b'), 'x', { qos: 0 }),
    subscriptionOf(sessionOf('c', false), 'x', { qos: 2 }),
  ];
  for (const subscription of subscriptions) routes.add(subscription);
  for (const subscription of subscriptions) routes.remove(subscription);
  assert.equal(said, ['x 4', 'x 6', 'x 7', 'x 3', 'x 1', 'x 0']);
});

test('what was not added is not removed, and nothing is added twice', () => {
  const { routes, said } = told();
  const one = subscriptionOf(sessionOf('a', false), 'x');
  routes.remove(one);
  routes.add(one);
  routes.add(one);
  routes.remove(one);
  assert.equal(said, ['x 1', 'x 0']);
});

test('all of it is told again to those who have forgotten', () => {
  const { routes, said } = told();
  routes.add(subscriptionOf(sessionOf('a', false), 'x'));
  routes.add(subscriptionOf(durable('b'), 'y', { qos: 2 }));
  said.length = 0;
  routes.tellAll();
  assert.equal(said, ['x 1', 'y 4']);
});

test.run();
