import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Log } from '../../../../src/base/log.js';
import { Announcements } from '../../../../src/store/redis/fabric/announcements.js';

const test = suite('announcements');

class Fixture {
  readonly lines: string[] = [];
  readonly log: Log = {
    write: (_, event, fields) => this.lines.push(`${event} ${fields?.node}`),
    enabled: () => true,
  };
  readonly announcements = new Announcements(1_000, this.log);
  readonly done: string[] = [];

  async add(name: string, call: number, nowMs = 0): Promise<void> {
    this.announcements.add(0, call, nowMs, () => this.done.push(name));
    await Promise.resolve();
  }
}

test('without others an announcement is done at once, but not within the call', async () => {
  const { announcements, done } = new Fixture();
  announcements.add(0, 1, 0, () => done.push('a'));

  assert.equal(done, []);
  await Promise.resolve();
  assert.equal(done, ['a']);
});

test('it waits for every live broker, and only for calls of its shard', async () => {
  const fixture = new Fixture();
  fixture.announcements.onJoined('x');
  fixture.announcements.onJoined('y');
  await fixture.add('a', 5);

  fixture.announcements.onApplied('x', 0, 5);
  fixture.announcements.onApplied('y', 1, 9);
  fixture.announcements.onApplied('y', 0, 4);
  assert.equal(fixture.done, []);
  fixture.announcements.onApplied('y', 0, 6);
  assert.equal(fixture.done, ['a']);
});

test('a broker that leaves is waited for no more, one that comes later never was', async () => {
  const fixture = new Fixture();
  fixture.announcements.onJoined('x');
  fixture.announcements.onJoined('y');
  await fixture.add('a', 5);
  fixture.announcements.onApplied('x', 0, 5);
  fixture.announcements.onJoined('z');
  fixture.announcements.onLeft('y');

  assert.equal(fixture.done, ['a']);
  await fixture.add('b', 6);
  fixture.announcements.onApplied('x', 0, 6);
  assert.equal(fixture.done, ['a']);
  assert.is(fixture.announcements.size, 1);
});

test('words that come twice or late change nothing', async () => {
  const fixture = new Fixture();
  fixture.announcements.onJoined('x');
  fixture.announcements.onApplied('x', 0, 7);
  fixture.announcements.onApplied('x', 0, 3);
  fixture.announcements.onApplied('unknown', 0, 99);
  fixture.announcements.onApplied('x', 200, 99);
  await fixture.add('a', 7);

  assert.equal(fixture.done, ['a']);
});

test('a broker that is late is counted once per announcement and logged now and then', async () => {
  const fixture = new Fixture();
  fixture.announcements.onJoined('x');
  fixture.announcements.onJoined('y');
  await fixture.add('a', 1);
  await fixture.add('b', 2, 500);
  fixture.announcements.onApplied('y', 0, 1);
  fixture.announcements.tick(999);
  assert.is(fixture.announcements.slowPeers, 0);
  fixture.announcements.tick(1_200);
  fixture.announcements.tick(1_300);
  assert.is(fixture.announcements.slowPeers, 1);
  fixture.announcements.tick(1_600);

  assert.is(fixture.announcements.slowPeers, 3);
  assert.equal(fixture.lines, ['a broker is slow to hear of subscriptions: SUBACKs wait x']);
});

test('after this broker was taken for dead nobody waits for earlier ones', async () => {
  const fixture = new Fixture();
  fixture.announcements.onJoined('x');
  await fixture.add('a', 1);
  await fixture.add('b', 2);
  fixture.announcements.endAll();

  assert.equal(fixture.done, ['a', 'b']);
});

test.run();
