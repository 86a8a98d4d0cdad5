/** What one broker does for all. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../src/base/clock.js';
import { Posts } from '../../src/cluster/posts.js';
import type { Fabric } from '../../src/store/fabric.js';

const test = suite('posts');

class FakeFabric {
  isOurs = true;
  readonly peers = new Set(['other']);
  freshUntilMs = 1_000;

  isMine(): boolean {
    return this.isOurs;
  }
}

function held() {
  const fabric = new FakeFabric();
  const clock = new FakeClock();
  const posts = new Posts(fabric as unknown as Fabric, clock);
  const log: string[] = [];
  const leave = posts.acquire('bridge', {
    onGranted: () => log.push('granted'),
    onLost: () => log.push('lost'),
  });
  return { fabric, clock, posts, log, leave };
}

test('the broker that all agree on has it at once, and once', () => {
  const { posts, log } = held();
  posts.tick();
  assert.equal(log, ['granted']);
});

test('it goes with the agreement, and comes back with it', () => {
  const { fabric, posts, log } = held();
  fabric.isOurs = false;
  posts.tick();
  posts.tick();
  fabric.isOurs = true;
  posts.tick();
  assert.equal(log, ['granted', 'lost', 'granted']);
});

test('a broker that may be taken for dead gives it up, unless it is alone', () => {
  const { fabric, clock, posts, log } = held();
  clock.advance(1_001);
  posts.tick();
  assert.equal(log, ['granted', 'lost']);
  fabric.peers.clear();
  posts.tick();
  assert.equal(log, ['granted', 'lost', 'granted']);
});

test('what was given up is not heard of again', () => {
  const { fabric, posts, log, leave } = held();
  leave();
  fabric.isOurs = false;
  posts.tick();
  assert.equal(log, ['granted']);
});

test.run();
