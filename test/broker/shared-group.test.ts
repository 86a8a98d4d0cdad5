/** Who of a shared subscription gets the next message (MQTT 5.0 section 4.8.2). */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { XorShift32 } from '../../src/base/prng.js';
import type { Sender } from '../../src/broker/sender.js';
import type { Session } from '../../src/broker/session.js';
import { SharedGroup } from '../../src/broker/shared-group.js';
import type { Subscription } from '../../src/broker/subscription.js';
import type { SharedStrategy } from '../../src/config/config.js';
import { sessionOf, subscriptionOf } from './support/builders.js';

const test = suite('shared group');

const strategies = [
  'round_robin',
  'random',
  'sticky',
  'hash_client',
  'hash_topic',
  'local',
] as const;
// Only its presence counts here.
const someSender = {} as Sender;
const anyone = (): boolean => true;

class Group {
  readonly group = new SharedGroup('g', 'a/#');
  readonly sessions: Session[] = [];
  private readonly prng = new XorShift32(7);

  constructor(names: string) {
    for (const name of names) this.join(name);
  }

  join(name: string, isDurable = true): Session {
    const session = sessionOf(name, isDurable);
    session.sender = someSender;
    this.sessions.push(session);
    this.group.add(subscriptionOf(session, '$share/g/a/#', { group: this.group }));
    return session;
  }

  named(name: string): Session {
    return this.sessions.find(({ clientId }) => clientId === name)!;
  }

  pick(
    strategy: SharedStrategy,
    from: { publisher?: string; topic?: string; mayGet?: (member: Subscription) => boolean } = {},
  ): string | null {
    const { publisher = 'p', topic = 'a/b', mayGet = anyone } = from;
    const member = this.group.pick(strategy, this.prng, publisher, topic, mayGet);
    return member?.session.clientId ?? null;
  }

  picks(strategy: SharedStrategy, count: number): string {
    return Array.from({ length: count }, () => this.pick(strategy)).join('');
  }
}

test('round_robin goes from one to the next', () => {
  assert.is(new Group('abc').picks('round_robin', 7), 'abcabca');
});

test('round_robin goes on where it was when a member comes or goes', () => {
  const group = new Group('abc');
  assert.is(group.picks('round_robin', 2), 'ab');
  group.group.remove(group.named('a'));
  assert.is(group.picks('round_robin', 3), 'cbc');
  group.join('d');
  assert.is(group.picks('round_robin', 3), 'dbc');
  group.group.remove(group.named('d'));
  assert.is(group.picks('round_robin', 3), 'bcb');
  group.group.remove(group.named('b'));
  assert.is(group.picks('round_robin', 2), 'cc');
});

test('random reaches every member, evenly', () => {
  const counts = new Map<string, number>();
  const group = new Group('abc');
  for (const name of group.picks('random', 3_000)) counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const name of 'abc') assert.ok(counts.get(name)! > 800, `${name}: ${counts.get(name)}`);
});

test('sticky stays with its choice until that one goes offline, and then with the next', () => {
  const group = new Group('abcd');
  const first = group.pick('sticky')!;
  assert.is(group.picks('sticky', 20), first.repeat(20));
  group.named(first).sender = null;
  const second = group.pick('sticky')!;
  assert.is.not(second, first);
  group.named(first).sender = someSender;
  assert.is(group.picks('sticky', 20), second.repeat(20));
  group.group.remove(group.named(second));
  const third = group.pick('sticky')!;
  assert.is.not(third, second);
  assert.is(group.picks('sticky', 20), third.repeat(20));
});

test('hash_client and hash_topic keep a publisher, or a topic, with one member', () => {
  const group = new Group('abcd');
  const seen = { hash_client: new Set<string>(), hash_topic: new Set<string>() };
  for (let n = 0; n < 50; n++) {
    const byClient = group.pick('hash_client', { publisher: `p${n}` })!;
    const byTopic = group.pick('hash_topic', { topic: `a/${n}` })!;
    for (let again = 0; again < 3; again++) {
      const topic = `a/${again}`;
      assert.is(group.pick('hash_client', { publisher: `p${n}`, topic }), byClient);
      assert.is(group.pick('hash_topic', { publisher: topic, topic: `a/${n}` }), byTopic);
    }
    seen.hash_client.add(byClient);
    seen.hash_topic.add(byTopic);
  }
  assert.is(seen.hash_client.size, 4);
  assert.is(seen.hash_topic.size, 4);
});

for (const strategy of strategies) {
  test(`${strategy}: an online member goes before an offline one`, () => {
    const group = new Group('abc');
    group.named('a').sender = null;
    group.named('c').sender = null;
    assert.is(group.picks(strategy, 5), 'bbbbb');
  });

  test(`${strategy}: with nobody online a durable member gets it, a transient one never`, () => {
    const group = new Group('');
    for (const name of 'abc') group.join(name, name === 'b').sender = null;
    assert.is(group.picks(strategy, 5), 'bbbbb');
    group.named('b').isDurable = false;
    assert.is(group.pick(strategy), null);
  });

  test(`${strategy}: who may not read the topic is passed over`, () => {
    const group = new Group('abc');
    const mayGet = ({ session }: Subscription): boolean => session.clientId === 'c';
    for (let n = 0; n < 5; n++) assert.is(group.pick(strategy, { mayGet }), 'c');
    assert.is(group.pick(strategy, { mayGet: () => false }), null);
  });

  test(`${strategy}: an empty group has nobody`, () => {
    assert.is(new Group('').pick(strategy), null);
  });
}

test('round_robin among offline members goes round too', () => {
  const group = new Group('abc');
  for (const session of group.sessions) session.sender = null;
  assert.is(group.picks('round_robin', 6), 'abcabc');
});

test('subscribing again replaces, it does not add', () => {
  const group = new Group('ab');
  const newer = subscriptionOf(group.named('a'), '$share/g/a/#', { qos: 2, group: group.group });
  group.group.add(newer);
  assert.is(group.group.size, 2);
  assert.is(group.group.pick('round_robin', new XorShift32(1), 'p', 'a', anyone), newer);
});

test('removing who is no member changes nothing', () => {
  const group = new Group('ab');
  group.group.remove(sessionOf('z'));
  assert.is(group.group.size, 2);
  assert.is(group.picks('round_robin', 3), 'aba');
});

test('local goes round those who are connected to this broker', () => {
  const group = new Group('abcd');
  for (const name of ['a', 'c']) {
    const session = group.named(name);
    session.sender = null;
    session.isElsewhere = true;
    session.onlineAt = 'other';
  }
  assert.is(group.picks('local', 4), 'bdbd');
});

test('local goes round all who are online while nobody is connected to this broker', () => {
  const group = new Group('abc');
  for (const session of group.sessions) {
    session.sender = null;
    session.isElsewhere = true;
    session.onlineAt = session.clientId === 'c' ? '' : 'other';
  }
  assert.is(group.picks('local', 4), 'abab');
});

test('the hashes lead to the same member whatever the order in which members came', () => {
  const group = new Group('abcdefg');
  const other = new Group('gfedcba');
  for (let n = 0; n < 100; n++) {
    const from = { publisher: `p${n}`, topic: `t/${n}` };
    assert.is(group.pick('hash_client', from), other.pick('hash_client', from));
    assert.is(group.pick('hash_topic', from), other.pick('hash_topic', from));
  }
});

test.run();
