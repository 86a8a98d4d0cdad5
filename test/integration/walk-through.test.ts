// slow
/** What a user does first, with Mosquitto's own clients, in every version of the protocol. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { within } from '../support/until.js';
import { messagesOf, RunningBroker, withBroker } from './support/broker.js';

const test = suite('walk-through');
const versions = ['mqttv31', 'mqttv311', 'mqttv5'];

let broker: RunningBroker;

test.before(async () => {
  broker = await RunningBroker.start({});
});
test.after.each(() => broker.leave());
test.after(() => broker?.stop());

async function publish(args: readonly string[]): Promise<void> {
  const { code, output } = await broker.run('mosquitto_pub', args);
  assert.is(code, 0, output);
}

test('the two commands of the README work', async () => {
  const subscriber = await broker.subscriber(['-t', 'test/+/data', '-v']);

  await publish(['-t', 'test/sensor1/data', '-m', '{"temp":25.5}']);

  await subscriber.untilLine('test/sensor1/data {"temp":25.5}');
});

for (const version of versions) {
  for (const qos of ['0', '1', '2']) {
    test(`${version}: a message of QoS ${qos} arrives once`, async () => {
      const words = ['-V', version, '-q', qos];
      const subscriber = await broker.subscriber([...words, '-t', 'qos/#', '-v', '-C', '2']);

      await publish([...words, '-t', 'qos/one', '-m', 'first']);
      await publish([...words, '-t', 'qos/two', '-m', 'second']);

      assert.is((await subscriber.untilExit()).code, 0);
      assert.equal(messagesOf(subscriber), ['qos/one first', 'qos/two second']);
    });
  }

  test(`${version}: a retained message stays until it is cleared`, async () => {
    const topic = `retained/${version}`;
    await publish(['-V', version, '-t', topic, '-m', 'kept', '-r', '-q', '1']);

    const late = await broker.run('mosquitto_sub', ['-V', version, '-t', topic, '-C', '1']);
    assert.is(late.stdout, 'kept');

    await publish(['-V', version, '-t', topic, '-n', '-r', '-q', '1']);
    const none = await broker.subscriber(['-V', version, '-t', topic]);
    await publish(['-V', version, '-t', topic, '-m', 'live', '-q', '1']);
    await none.untilLine(/^live$/);
    assert.equal(messagesOf(none), ['live']);
  });

  test(`${version}: the will of a client that dies is published`, async () => {
    const watcher = await broker.subscriber(['-V', version, '-t', 'gone', '-v']);
    const will = ['--will-topic', 'gone', '--will-payload', 'it died', '--will-qos', '1'];
    const mortal = await broker.subscriber(['-V', version, '-t', 'any', ...will]);

    mortal.signal('SIGKILL');

    await watcher.untilLine('gone it died');
  });

  test(`${version}: a client that says goodbye leaves no will`, async () => {
    const watcher = await broker.subscriber(['-V', version, '-t', 'left', '-v']);
    const will = ['--will-topic', 'left', '--will-payload', 'it died'];

    await publish(['-V', version, '-t', 'left', '-m', 'bye', ...will]);
    await publish(['-V', version, '-t', 'left', '-m', 'last']);

    await watcher.untilLine('left last');
    assert.equal(messagesOf(watcher), ['left bye', 'left last']);
  });

  test(`${version}: messages wait for a client that is away`, async () => {
    const away = ['-V', version, '-i', `away-${version}`, '-c', '-q', '2', '-t', 'wait/#'];
    const expiry = version === 'mqttv5' ? ['-x', '60'] : [];
    const first = await broker.run('mosquitto_sub', [...away, ...expiry, '-E']);
    assert.is(first.code, 0, first.output);
    for (const payload of ['1', '2', '3']) {
      await publish([
        '-V',
        version,
        '-t',
        'wait/x',
        '-m',
        payload,
        '-q',
        payload === '3' ? '2' : '1',
      ]);
    }

    const words = [...away, ...expiry, '-C', '3', '-F', '%p %q'];
    const { stdout } = await broker.run('mosquitto_sub', words);

    assert.is(stdout, '1 1\n2 1\n3 2');
  });

  test(`${version}: many lines from one publisher keep their order`, async () => {
    const subscriber = await broker.subscriber([
      '-V',
      version,
      '-t',
      'lines',
      '-q',
      '2',
      '-C',
      '500',
    ]);
    const lines = Array.from({ length: 500 }, (_, index) => `line ${index}`);
    const file = broker.folder.write('lines', `${lines.join('\n')}\n`);

    const { code, output } = await broker.run('sh', [
      '-c',
      `mosquitto_pub "$@" < ${file}`,
      'sh',
      ...[...['-p', `${broker.ports[0]}`, '-V', version, '-t', 'lines', '-q', '2', '-l']],
    ]);

    assert.is(code, 0, output);
    assert.is((await subscriber.untilExit()).code, 0);
    assert.equal(messagesOf(subscriber), lines);
  });
}

test('a request gets its answer', async () => {
  const responder = await broker.subscriber(['-V', '5', '-t', 'ask', '-F', '%R %D %p']);
  const request = broker.run('mosquitto_rr', [
    ...['-V', 'mqttv5', '-t', 'ask', '-e', 'answer/me', '-m', 'how much?', '-q', '1'],
    ...['-D', 'publish', 'correlation-data', 'c1'],
  ]);
  const asked = await responder.untilLine('how much?');
  assert.is(asked, 'answer/me c1 how much?');

  await publish([
    '-V',
    '5',
    '-t',
    'answer/me',
    '-m',
    '42',
    '-D',
    'publish',
    'correlation-data',
    'c1',
  ]);

  const { code, stdout } = await within('the answer', request);
  assert.is(code, 0);
  assert.is(stdout, '42');
});

test('properties arrive as they were sent', async () => {
  const format = '%t|%p|%C|%F|%R|%P|%q';
  const subscriber = await broker.subscriber(['-V', '5', '-t', 'props', '-q', '1', '-F', format]);

  await publish([
    ...['-V', '5', '-t', 'props', '-m', '{}', '-q', '1'],
    ...['-D', 'publish', 'content-type', 'application/json'],
    ...['-D', 'publish', 'payload-format-indicator', '1'],
    ...['-D', 'publish', 'response-topic', 'here'],
    ...['-D', 'publish', 'user-property', 'a', '1'],
    ...['-D', 'publish', 'user-property', 'b', '2'],
    ...['-D', 'publish', 'user-property', 'a', '3'],
  ]);

  await subscriber.untilLine('props|{}|application/json|1|here|a:1 b:2 a:3|1');
});

test('$SYS tells the version', async () => {
  const { code, stdout } = await broker.run('mosquitto_sub', [
    ...['-t', '$SYS/broker/version', '-C', '1', '-W', '5'],
  ]);

  assert.is(code, 0);
  assert.match(stdout, /^tidewire version \d+\.\d+\.\d+$/);
});

test('at a Unix socket the same commands work', async () => {
  await withBroker({ more: ['listener 0 FOLDER/mqtt.sock'] }, async (local) => {
    const at = ['--unix', local.folder.file('mqtt.sock')];
    const subscriber = await local.subscriber([...at, '-t', 'u/#', '-v']);

    const { code, output } = await local.run('mosquitto_pub', [...at, '-t', 'u/x', '-m', 'hi']);

    assert.is(code, 0, output);
    await subscriber.untilLine('u/x hi');
  });
});

test.run();
