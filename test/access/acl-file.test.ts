/** acl_file: its dialect, its errors, and its meaning, which Mosquitto itself is asked about. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AclFile } from '../../src/access/acl-file.js';
import { AclPattern } from '../../src/access/acl-pattern.js';
import { BrokerError } from '../../src/base/errors.js';
import { silentLog } from '../../src/base/log.js';
import { matches } from '../../src/protocol/topic.js';
import { withTempFolder } from '../support/temp.js';
import { type AclCase, type Allowed, aclTables } from './acl-cases.js';
import { aClient, errorOf, KeptLog } from './clients.js';
import { hasMosquitto, startMosquitto } from './mosquitto.js';
import { RawClient } from './raw-client.js';

const test = suite('acl file');

function parse(text: string): Promise<AclFile> {
  return withTempFolder((folder) => AclFile.load(folder.write('acl', text), silentLog));
}

const describe = (it: AclCase): string => `${it.username ?? '-'} ${it.clientId} ${it.topic}`;

const toAllowed = (mayRead: boolean, mayWrite: boolean): Allowed =>
  `${mayRead ? 'r' : ''}${mayWrite ? 'w' : ''}` as Allowed;

for (const table of aclTables) {
  test(`${table.name}: reads and writes as the table says`, async () => {
    const acl = await parse(table.acl);

    for (const it of table.cases) {
      const allowed = toAllowed(acl.mayRead(it, it.topic), acl.mayWrite(it, it.topic));

      assert.is(allowed, it.allowed, describe(it));
      assert.is(acl.maySubscribe(it, it.topic), true, 'nobody is kept from subscribing');
    }
  });
}

const withMosquitto = hasMosquitto ? test : test.skip;

withMosquitto('Mosquitto answers every case of the table the same way', async () => {
  await withTempFolder(async (folder) => {
    const open = ['allow_anonymous true'];
    const listeners = aclTables.map((table, index) => [
      ...open,
      `acl_file ${folder.write(`acl${index}`, table.acl)}`,
    ]);
    const { broker, ports } = await startMosquitto(folder, [open, ...listeners]);
    try {
      const publisher = await RawClient.connect(ports[0], { clientId: 'publisher' });
      for (const [index, table] of aclTables.entries()) {
        for (const it of table.cases) {
          const allowed = await askMosquitto(ports[index + 1], publisher, it);
          assert.is(allowed, it.mosquitto, `${table.name}: ${describe(it)}`);
        }
      }
      publisher.close();
    } finally {
      await broker.stop();
    }
  });
});

async function askMosquitto(port: number, publisher: RawClient, it: AclCase): Promise<Allowed> {
  const { clientId, username, topic } = it;
  const login = username === null ? {} : { username };
  const client = await RawClient.connect(port, { clientId, ...login });
  const mayWrite = (await client.publish(topic)) < 0x80;
  assert.is(await client.subscribe(topic), 0, 'Mosquitto lets everybody subscribe');
  await publisher.publish(topic);
  const mayRead = (await client.deliveredSoFar()).includes(topic);
  client.close();
  return toAllowed(mayRead, mayWrite);
}

test('a wildcard in front does not stand for $SYS [MQTT-4.7.2-1]', async () => {
  const acl = await parse('topic read #\ntopic read +/broker\nuser op\ntopic read $SYS/#\n');

  assert.is(acl.mayRead(aClient(), '$SYS/broker'), false);
  assert.is(acl.mayRead(aClient({ username: 'op' }), '$SYS/broker/uptime'), true);
});

test('subscribe rules restrict the subscriptions of those who have one', async () => {
  const acl = await parse(
    'topic read #\nuser bob\ntopic read #\ntopic subscribe room/+/temp\n' +
      'topic subscribe hall/#\ntopic deny hall/secret/#\n',
  );
  const bob = aClient({ username: 'bob' });

  assert.is(acl.restrictsSubscribe, true);
  const asked = ['room/1/temp', 'room/+/temp', 'hall', 'hall/#', 'hall/+/x', '$share/g/hall/#'];
  for (const filter of asked) assert.is(acl.maySubscribe(bob, filter), true, filter);
  const refused = ['#', '+/1/temp', 'room/#', 'room/+/+', 'room/1/temp/#', 'hall/secret/x'];
  for (const filter of [...refused, '$share/g/#', '$share/g', '$share/+/hall']) {
    assert.is(acl.maySubscribe(bob, filter), false, filter);
  }
  assert.is(acl.maySubscribe(aClient(), '#'), true, 'the others have none');
  assert.is(acl.mayRead(bob, 'any/where'), true, 'reading is another matter');
});

test('a subscribe pattern restricts everybody, also those it grants nothing', async () => {
  const acl = await parse('pattern subscribe own/%u/#\ntopic subscribe all\n');

  assert.is(acl.maySubscribe(aClient({ username: 'bob' }), 'own/bob/+'), true);
  assert.is(acl.maySubscribe(aClient({ username: 'bob' }), 'own/#'), false);
  assert.is(acl.maySubscribe(aClient(), 'own/bob/+'), false);
  assert.is(acl.maySubscribe(aClient(), 'all'), true);
  assert.is(acl.mayRead(aClient(), 'all'), false);
});

test('a file without subscribe rules restricts no subscription', async () => {
  assert.is((await parse('topic read a\n')).restrictsSubscribe, false);
});

test('lines may end with CR LF, and the last one without an end', async () => {
  const acl = await parse('\ufeffuser bob\r\ntopic read a\r\n# c\r\ntopic write b');
  const bob = aClient({ username: 'bob' });

  assert.is(acl.mayRead(bob, 'a'), true);
  assert.is(acl.mayWrite(bob, 'b'), true);
});

const badLines: readonly [line: string, message: RegExp][] = [
  ['topic', /no topic/],
  ['pattern', /no topic/],
  ['user', /user without a name/],
  ['topic read', /"read" without a topic/],
  ['topic deny', /"deny" without a topic/],
  ['topic raed x', /unknown access "raed" \(did you mean "read"\?\)/],
  ['topic two words', /unknown access "two"/],
  ['topic read a/#/b', /"a\/#\/b" is no topic filter/],
  ['topic a+/b', /is no topic filter/],
  ['pattern read %c#', /is no topic filter/],
  ['Topic read x', /unknown keyword "Topic" \(did you mean "topic"\?\)/],
  ['nonsense', /unknown keyword "nonsense"; expected user, topic or pattern/],
  ['topic read\tx', /tab or control character/],
];

for (const [line, message] of badLines) {
  test(`says where and why in one line: ${JSON.stringify(line)}`, async () => {
    await withTempFolder(async (folder) => {
      const path = folder.write('acl', `# first\n\n${line}\ntopic ok\n`);

      const error = await errorOf(() => AclFile.load(path, silentLog));

      assert.instance(error, BrokerError);
      assert.is((error as BrokerError).code, 'ACL_FILE');
      assert.ok(error.message.startsWith(`${path}:3: `), error.message);
      assert.match(error.message, message);
      assert.not.match(error.message, /\n/);
    });
  });
}

test('warns about a pattern that is for everybody', async () => {
  await withTempFolder((folder) => {
    const log = new KeptLog();

    AclFile.load(folder.write('acl', 'pattern read %c/x\npattern read all\n'), log);

    assert.is(log.events('warning').length, 1);
    assert.is(log.entries[0].fields.line, 2);
  });
});

// Few different levels, so that random filters and topics meet often.
const level = fc.constantFrom('', 'a', 'b', 'ab', '$x', '%c', '%u', 'a%c');
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 4 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen || levels.length === 0 ? ['#'] : [])])
  .map((levels) => levels.join('/'))
  .filter((text) => text !== '');
const topicName = fc
  .array(level, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join('/'))
  .filter((text) => text !== '');

test('a plain pattern matches exactly what its filter matches', () => {
  fc.assert(
    fc.property(filter, topicName, (pattern, topic) => {
      const found = new AclPattern(pattern, false).covers(topic, aClient());

      assert.is(found, matches(pattern, topic));
    }),
    { numRuns: 5_000 },
  );
});

test('a pattern matches what its filter matches once it is filled in', () => {
  const value = fc.constantFrom('a', 'b', '$x', '%c', '%u', 'a/b');
  fc.assert(
    fc.property(filter, topicName, value, value, (pattern, topic, clientId, username) => {
      const filledIn = pattern.replace(/%./g, (it) => (it === '%c' ? clientId : username));

      const found = new AclPattern(pattern, true).covers(topic, { clientId, username });

      assert.is(found, matches(filledIn, topic));
    }),
    { numRuns: 5_000 },
  );
});

test('a pattern that covers a filter matches all that the filter matches', () => {
  fc.assert(
    fc.property(filter, filter, topicName, (pattern, narrower, topic) => {
      fc.pre(matches(narrower, topic));
      const compiled = new AclPattern(pattern, false);
      fc.pre(compiled.covers(narrower, aClient()));

      assert.is(compiled.covers(topic, aClient()), true);
    }),
    { numRuns: 500 },
  );
});

test('a filter covers itself', () => {
  fc.assert(
    fc.property(filter, (text) => {
      assert.is(new AclPattern(text, false).covers(text, aClient()), true);
    }),
  );
});

test.run();
