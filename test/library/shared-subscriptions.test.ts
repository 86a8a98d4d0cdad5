/** The program as a member of shared subscriptions. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../support/until.js';
import { withEmbedded } from './support.js';

const test = suite('library shared subscriptions');

const FILTER = '$share/group/work/#';

test('a program may be a member of a shared subscription', async () => {
  await withEmbedded({}, async ({ broker }) => {
    const got: string[] = [];
    broker.publish('work/old', 'retained', { retain: true });
    broker.subscribe(FILTER, ({ topic, payload }) => got.push(`${topic} ${payload}`));
    broker.publish('work/1', 'x');
    broker.publish('other', 'y');
    await until('the message', () => got.length > 0);
    assert.equal(got, ['work/1 x']);
  });
});

test('program and clients share the messages, each of them online', async () => {
  await withEmbedded({}, async ({ broker, connect }) => {
    const client = await connect();
    await client.subscribe(FILTER, 1);
    const got: string[] = [];
    broker.subscribe(FILTER, ({ payload }) => got.push(`${payload}`));
    for (let n = 0; n < 10; n++) broker.publish('work/1', `${n}`, { qos: 1 });
    await until('all messages', () => got.length + client.payloads.length === 10);
    assert.equal([...got, ...client.payloads].sort(), [...'0123456789']);
    assert.is(got.length, 5);
  });
});

test('two members in the program share the messages', async () => {
  await withEmbedded({}, async ({ broker }) => {
    const got: [string[], string[]] = [[], []];
    for (const list of got) broker.subscribe(FILTER, ({ payload }) => list.push(`${payload}`));
    for (let n = 0; n < 6; n++) broker.publish('work/1', `${n}`);
    await until('all messages', () => got.flat().length === 6);
    assert.equal(got, [
      ['0', '2', '4'],
      ['1', '3', '5'],
    ]);
  });
});

test('what a member has not been given when it ends goes to the others', async () => {
  await withEmbedded({}, async ({ broker }) => {
    const early: string[] = [];
    const end = broker.subscribe(FILTER, ({ payload }) => {
      early.push(`${payload}`);
      end();
    });
    const unused = broker.subscribe(FILTER, () => assert.unreachable('it ended before the turn'));
    const late: string[] = [];
    for (let n = 0; n < 6; n++) broker.publish('work/1', `${n}`);
    broker.subscribe(FILTER, ({ payload }) => late.push(`${payload}`));
    unused();
    await until('the other messages', () => late.length === 5);
    assert.equal(early, ['0']);
    assert.equal(late.sort(), ['1', '2', '3', '4', '5']);
    assert.is(broker.metrics.droppedTotal, 0);
  });
});

test('what the last member leaves behind is counted', async () => {
  await withEmbedded({}, async ({ broker }) => {
    const reasons: string[] = [];
    broker.on('dropped', (reason, _clientId, topic) => reasons.push(`${reason} ${topic}`));
    const end = broker.subscribe(FILTER, () => assert.unreachable('it ended before the turn'));
    broker.publish('work/1', 'x');
    end();
    end();
    await until('the event', () => reasons.length > 0);
    assert.equal(reasons, ['session_ended work/1']);
  });
});

test('ending and closing leave nothing behind', async () => {
  await withEmbedded({}, async ({ broker }) => {
    const before = broker.metrics.sessions;
    const ends = Array.from({ length: 20 }, (_, n) =>
      broker.subscribe(`$share/g${n % 3}/t`, () => undefined),
    );
    assert.is(broker.metrics.sessions, before + 20);
    for (const end of ends.slice(0, 10)) end();
    assert.is(broker.metrics.sessions, before + 10);
    await broker.close();
    assert.is(broker.metrics.sessions, before);
  });
});

test('a filter that is none leaves nothing behind', async () => {
  await withEmbedded({}, async ({ broker }) => {
    const before = broker.metrics.sessions;
    for (const filter of ['$share/', '$share/g', '$share/g/', '$share/+/t', 'a/#/b', '']) {
      assert.throws(() => broker.subscribe(filter, () => undefined), /is no topic filter/, filter);
    }
    assert.is(broker.metrics.sessions, before);
  });
});

test.run();
