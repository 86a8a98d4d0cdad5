/** Listeners with a mount point: what their clients see of the others, and of `$…` topics. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('mount point');

interface Scene {
  readonly broker: FakeBroker;
  /** Behind the mount point `site/`. */
  readonly inside: FakeClient;
  readonly outside: FakeClient;
}

function brokerWithSite(mountPoint = 'site/'): Scene {
  const broker = new FakeBroker();
  const listener = { ...broker.listener, mountPoint };
  return { broker, inside: broker.connect({ listener }), outside: broker.connect() };
}

function topicsOf(client: FakeClient): string[] {
  return client.take('publish').map(({ topic }) => topic!);
}

test('it stands before topics, filters and wills, and its clients never see it', () => {
  const { broker, inside, outside } = brokerWithSite();
  inside.subscribe('a');
  inside.subscribe('$share/group/b');
  outside.subscribe('#');
  for (const topic of ['site/a', 'site/b', 'a']) outside.publish(topic, 'x');
  assert.equal(topicsOf(inside), ['a', 'b']);
  outside.take();
  inside.publish('c', 'x');
  const listener = { ...broker.listener, mountPoint: 'site/' };
  const will = { topic: 'will', payload: Buffer.from('x'), qos: 0 as const };
  broker.connect({ listener, will }).drop();
  assert.equal(topicsOf(outside), ['site/c', 'site/will']);
});

test('access is asked about topics and filters with the mount point', () => {
  const { broker, inside } = brokerWithSite();
  const { access } = broker;
  const asked: string[] = [];
  access.restrictsPublish = true;
  access.restrictsSubscribe = true;
  access.restrictsRead = true;
  access.mayPublish = (_client, topic) => asked.push(`publish ${topic}`) > 0;
  access.maySubscribe = (_client, filter) => asked.push(`subscribe ${filter}`) > 0;
  access.mayRead = (_client, topic) => asked.push(`read ${topic}`) > 0;
  inside.subscribe('$share/group/a');
  inside.publish('a', 'x');
  const expected = ['subscribe $share/group/site/a', 'publish site/a', 'read site/a'];
  assert.equal(asked, expected);
});

test('below it a wildcard in front stands for $ topics, and $SYS is like others', () => {
  const { broker, inside, outside } = brokerWithSite();
  inside.subscribe('#');
  inside.subscribe('+/x');
  inside.publish('$own/x', 'x');
  inside.publish('$SYS/x', 'x');
  assert.equal(topicsOf(inside), ['$own/x', '$SYS/x']);
  inside.subscribe('$SYS/#');
  broker.core.publish('$SYS/broker', Buffer.from('x'), { qos: 0, retain: true });
  assert.equal(topicsOf(inside), [], "the broker's own $SYS cannot be seen from here");
  outside.subscribe('#');
  inside.publish('$own/y', 'x');
  assert.equal(topicsOf(outside), ['site/$own/y']);
});

test('without one a wildcard in front stands for no $ topic [MQTT-4.7.2-1]', () => {
  const { inside, outside } = brokerWithSite('');
  inside.subscribe('#');
  inside.subscribe('+/x');
  outside.publish('$own/x', 'x');
  outside.publish('$SYS/x', 'x');
  assert.equal(topicsOf(inside), []);
  inside.subscribe('$own/#');
  outside.publish('$own/x', 'x');
  assert.equal(topicsOf(inside), ['$own/x']);
});

test('one that begins with $ hides its clients; below $SYS none publishes', () => {
  const { inside, outside } = brokerWithSite('$site/');
  outside.subscribe('#');
  inside.subscribe('#');
  inside.publish('a', 'x');
  assert.equal(topicsOf(outside), []);
  assert.equal(topicsOf(inside), ['a']);
  const system = brokerWithSite('$SYS/');
  system.inside.publish('a', 'x', { qos: 1, messageId: 1 });
  assert.is(system.inside.takeFirst('puback').reasonCode, 0x87);
});

test.run();
