// slow
/** A broker is killed while messages flow through it: nothing acknowledged is lost. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deathMs, leaseSeconds, withCluster } from './cluster-suite.js';
import { Publisher, Subscriber } from './devices.js';
import { numbers } from './messages.js';

const test = suite('death of a broker under load');
const add = withCluster(test, { leaseSeconds });

for (const qos of [1, 2] as const) {
  add(`QoS ${qos} goes on through it: nothing lost, order kept`, async (t, cluster) => {
    const nodes = () => cluster.live;
    const subscriber = new Subscriber(t, nodes);
    await (await subscriber.connectTo(0)).subscribe(t.topic('+'), qos);
    const witness = new Subscriber(t, nodes);
    await (await witness.connectTo(2)).subscribe(t.topic('+'), qos);
    for (const one of [subscriber, witness]) one.roam();
    const publishers = [0, 1, 0].map(() => new Publisher(t, nodes));
    const count = 150;
    let isKilled = false;
    const publishing = publishers.map(async (publisher, at) => {
      await publisher.connectTo(at % 2);
      for (const text of numbers(count, `${at}-`)) {
        await publisher.deliver(t.topic(`${at}`), text, qos);
        if (at > 0 || isKilled || text !== '0-40') continue;
        isKilled = true;
        void cluster.kill(0);
      }
    });
    await Promise.all(publishing);
    assert.is(cluster.isLive(0), false);
    for (const one of [subscriber, witness]) {
      const all = publishers.flatMap((_, at) => numbers(count, `${at}-`));
      await one.untilGot(all, deathMs);
      one.rest();
      for (const at of publishers.keys()) {
        const of = [...new Set(one.got)].filter((text) => text.startsWith(`${at}-`));
        assert.equal(of, numbers(count, `${at}-`));
      }
    }
    const faults = [subscriber, witness, ...publishers].flatMap((one) => one.faults);
    assert.equal(faults, []);
  });
}

test.run();
