// slow
// deadline: 120 s
/** Two brokers on a cluster whose slots move, and one of whose primaries dies. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MEMBERS_TAG, mapTag, nodeTag } from '../../../../src/store/redis/keys.js';
import { slotOf } from '../../../../src/store/redis/slot.js';
import { SHARDS } from '../../../../src/store/redis/tuning.js';
import { RedisCluster } from '../../../support/redis-cluster.js';
import { withTempFolder } from '../../../support/temp.js';
import { until } from '../../../support/until.js';
import { optionsFor } from '../harness.js';
import { startBroker, type TestBroker } from '../heard-fabric.js';

const test = suite('fabric of a cluster in trouble');
const patient = { deadlineMs: 30_000 };
/** Longer than a failover. */
const times = { leaseMs: 15_000, tickMs: 100, freezeMs: 2_000, marginMs: 2_000, slowMs: 1_000 };

/** Sends, retains and announces without end, some of each on the way. */
class Talker {
  sent = 0;
  retained = 0;
  routes = 0;
  private isStopped = false;
  private readonly from: TestBroker;
  private readonly to: string;
  private readonly ends: Promise<void>[];

  constructor(from: TestBroker, to: TestBroker) {
    this.from = from;
    this.to = to.store.fabric.node;
    this.ends = [this.send(), this.send(), this.retain(), this.announce()];
  }

  async progress(count: number): Promise<void> {
    const before = [this.sent, this.retained, this.routes];
    const isFar = () => {
      const now = [this.sent, this.retained, this.routes];
      return now.every((one, index) => one >= before[index]! + count);
    };
    await until('messages, retained ones and routes to go on', isFar, patient);
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all(this.ends);
  }

  private async send(): Promise<void> {
    const { fabric } = this.from.store;
    while (!this.isStopped) {
      const record = Buffer.from(`#${++this.sent}`);
      await new Promise<void>((resolve) => fabric.publish(this.to, record, null, resolve));
    }
  }

  private async retain(): Promise<void> {
    while (!this.isStopped) {
      const text = String(++this.retained);
      const record = Buffer.from(text);
      const topic = `t${this.retained % 8}`;
      await new Promise<void>((onDone) => {
        const retained = [{ topic, record, onlyExpired: false, onDone }];
        this.from.store.write({ sessions: [], retained });
      });
    }
  }

  private async announce(): Promise<void> {
    const { fabric } = this.from.store;
    while (!this.isStopped) {
      const filter = `f${++this.routes % 8}`;
      const kinds = 1 + (this.routes % 200);
      await new Promise<void>((resolve) => fabric.setRoute(filter, kinds, resolve));
    }
  }
}

test('slots move, a primary dies: nothing is lost, repeated or reordered, nobody is dead', () =>
  withTempFolder(async (folder) => {
    const cluster = await RedisCluster.start({ folder: folder.path });
    const options = optionsFor(cluster.addresses);
    const brokers: TestBroker[] = [];
    try {
      for (const name of 'ab') brokers.push(await startBroker(options, name, times));
      const [a, b] = brokers as [TestBroker, TestBroker];
      const talker = new Talker(a, b);
      const inbox = slotOf(nodeTag(b.store.fabric.node));
      const shards = Array.from({ length: SHARDS }, (_, shard) => slotOf(mapTag(shard)));
      for (const slot of [inbox, slotOf(MEMBERS_TAG), ...shards]) {
        await talker.progress(10);
        const from = await cluster.primaryOf(slot, cluster.primaries[0]!);
        const to = cluster.primaries.find((one) => one !== from)!;
        await cluster.moveSlot(slot, from, to);
      }
      await talker.progress(20);
      const dying = await cluster.primaryOf(inbox, cluster.primaries[0]!);
      await dying.server.kill();
      await until('the store to be away', () => a.observer.away > 0, patient);
      await until('it to be back', () => a.observer.back > 0, patient);
      await talker.progress(20);
      await talker.stop();

      const got = () => b.heard.log.filter((line) => line.startsWith('published #'));
      await until('the last one', () => got().at(-1) === `published #${talker.sent}`, patient);
      assert.equal(
        got(),
        Array.from({ length: talker.sent }, (_, index) => `published #${index + 1}`),
      );
      await new Promise<void>((resolve) => b.store.fabric.catchUp(resolve));
      const last = (beginning: string) =>
        b.heard.log.filter((line) => line.startsWith(beginning)).at(-1);
      for (let back = 0; back < 8; back++) {
        const text = talker.retained - back;
        assert.is(last(`retained t${text % 8} `), `retained t${text % 8} ${text}`);
        const route = talker.routes - back;
        assert.is(last(`route a f${route % 8} `), `route a f${route % 8} ${1 + (route % 200)}`);
      }
      for (const { heard } of brokers) assert.is(heard.count('left') + heard.count('removed'), 0);
    } finally {
      for (const { store } of brokers) await store.close();
      await cluster.stop();
    }
  }));

test.run();
