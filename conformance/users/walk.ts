/** What users do with mosquitto_pub and mosquitto_sub. */
import { join } from 'node:path';
import { equal } from '../expect.js';
import { test } from '../registry.js';
import { messagesOf, withTools } from './tools.js';

const everywhere = { '3.1': [], '3.1.1': ['MQTT-7.0.0-2'], '5.0': [] } as const;

test(
  everywhere,
  "walks: mosquitto_sub -t 'test/+/data' -v, mosquitto_pub -t test/sensor1/data",
  withTools(async (t, tools) => {
    const subscriber = await tools.subscriber(['-t', t.topic('+/data'), '-v', '-C', '1']);
    await tools.publish(['-t', t.topic('sensor1/data'), '-m', '{"temp":25.5}']);
    const lines = messagesOf(await subscriber.ends());
    equal(lines, [`${t.topic('sensor1/data')} {"temp":25.5}`], 'output');
  }),
);

test(
  everywhere,
  'carries messages of QoS 0, 1 and 2 from mosquitto_pub to mosquitto_sub',
  withTools(async (t, tools) => {
    for (const qos of ['0', '1', '2']) {
      const words = ['-t', t.topic(qos), '-q', qos, '-F', '%q %r %p', '-C', '3'];
      const subscriber = await tools.subscriber(words);
      const publisher = tools.run('mosquitto_pub', ['-t', t.topic(qos), '-q', qos, '-l']);
      publisher.feed('one\ntwo\nthree\n');
      await publisher.ends();
      const expected = ['one', 'two', 'three'].map((line) => `${qos} 0 ${line}`);
      equal(messagesOf(await subscriber.ends()), expected, 'output');
    }
  }),
);

test(
  everywhere,
  'keeps a retained message of mosquitto_pub -r, and removes it with -r -n',
  withTools(async (t, tools) => {
    const topic = t.willRetain(t.topic());
    await tools.publish(['-t', topic, '-q', '1', '-r', '-m', 'kept']);
    const words = ['-t', topic, '-F', '%r %p', '-C', '1'];
    equal(await tools.run('mosquitto_sub', words).ends(), ['1 kept'], 'output');
    await tools.publish(['-t', topic, '-q', '1', '-r', '-n']);
    const subscriber = await tools.subscriber(words);
    await tools.publish(['-t', topic, '-m', 'live']);
    equal(messagesOf(await subscriber.ends()), ['0 live'], 'output');
  }),
);

test(
  everywhere,
  'publishes the will of a mosquitto_sub that is killed, and not of one that leaves',
  withTools(async (t, tools) => {
    const watcher = await tools.subscriber(['-t', t.topic('will/+'), '-v', '-C', '1']);
    const will = (name: string) => {
      const words = ['--will-topic', t.topic(`will/${name}`), '--will-payload', name];
      return ['-t', t.topic('x'), ...words, '--will-qos', '1'];
    };
    const leaving = await tools.subscriber([...will('leaving'), '-C', '1']);
    await tools.publish(['-t', t.topic('x'), '-m', 'leave']);
    await leaving.ends();
    (await tools.subscriber(will('killed'))).kill();
    equal(messagesOf(await watcher.ends()), [`${t.topic('will/killed')} killed`], 'output');
  }),
);

test(
  everywhere,
  'keeps the session of mosquitto_sub -c -i, with what came meanwhile',
  withTools(async (t, tools) => {
    const durable = t.isV5 ? ['-x', '300'] : [];
    const words = ['-c', '-i', t.clientId(), ...durable, '-q', '1', '-t', t.topic()];
    const first = await tools.subscriber(words);
    first.kill('SIGINT');
    await first.ends();
    for (const text of ['a', 'b', 'c']) {
      await tools.publish(['-t', t.topic(), '-q', '1', '-m', text]);
    }
    const second = tools.run('mosquitto_sub', [...words, '-C', '3']);
    equal(await second.ends(), ['a', 'b', 'c'], 'output');
    // Take the session away again.
    await tools.publish(['-i', words[2], '-t', t.topic('end'), '-n']);
  }),
);

test(
  { '3.1.1': [], '5.0': [] },
  'shares messages among mosquitto_sub -t $share/group/topic',
  withTools(async (t, tools) => {
    const words = ['-t', `$share/${t.clientId()}/${t.topic()}`, '-C', '3', '-q', '1'];
    const members = [await tools.subscriber(words), await tools.subscriber(words)];
    const publisher = tools.run('mosquitto_pub', ['-t', t.topic(), '-q', '1', '-l']);
    publisher.feed('1\n2\n3\n4\n5\n6\n');
    await publisher.ends();
    const output = (await Promise.all(members.map((one) => one.ends()))).flatMap(messagesOf);
    equal(output.toSorted(), ['1', '2', '3', '4', '5', '6'], 'output of both');
  }),
);

test(
  { '5.0': [] },
  'forwards the properties of mosquitto_pub -D to mosquitto_sub',
  withTools(async (t, tools) => {
    const format = '%A|%C|%D|%E|%F|%P|%R|%p';
    const subscriber = await tools.subscriber(['-t', t.topic(), '-F', format, '-C', '1']);
    const property = (...words: string[]) => ['-D', 'publish', ...words];
    await tools.publish([
      ...['-t', t.topic(), '-m', 'text'],
      ...property('content-type', 'text/plain'),
      ...property('correlation-data', '42'),
      ...property('message-expiry-interval', '60'),
      ...property('payload-format-indicator', '1'),
      ...property('user-property', 'b', '1'),
      ...property('user-property', 'a', '2'),
      ...property('response-topic', 'answers'),
    ]);
    const expected = ['|text/plain|42|60|1|b:1 a:2|answers|text'];
    equal(messagesOf(await subscriber.ends()), expected, 'output');
  }),
);

test(
  { '5.0': [] },
  'answers mosquitto_rr through its response topic and correlation data',
  withTools(async (t, tools) => {
    const format = '%R|%D|%p';
    const responder = await tools.subscriber(['-t', t.topic('ask'), '-F', format, '-C', '1']);
    const request = tools.run('mosquitto_rr', [
      ...['-t', t.topic('ask'), '-e', t.topic('answer'), '-m', 'question'],
      ...['-D', 'publish', 'correlation-data', 'c-7'],
    ]);
    const [line] = messagesOf(await responder.ends());
    equal(line, `${t.topic('answer')}|c-7|question`, 'request');
    await tools.publish([
      ...['-t', t.topic('answer'), '-m', 'response'],
      ...['-D', 'publish', 'correlation-data', 'c-7'],
    ]);
    equal(messagesOf(await request.ends()), ['response'], 'output');
  }),
);

test(
  everywhere,
  'lets mosquitto_pub in with the right password only',
  withTools(async (t, tools) => {
    const { username, password } = t.broker.credentials;
    const right = ['-u', username, '-P', password];
    const words = ['-t', t.topic(), '-C', '1', ...right];
    const subscriber = await tools.subscriber(words);
    const wrong = tools.run('mosquitto_pub', ['-t', t.topic(), '-m', 'no', '-u', 'x', '-P', 'y']);
    await wrong.ends(t.isV5 ? 135 : 5);
    await tools.publish([...right, '-t', t.topic(), '-m', 'yes']);
    equal(messagesOf(await subscriber.ends()), ['yes'], 'output');
  }),
  { profile: 'access' },
);

test(
  { '3.1.1': ['MQTT-7.1.1-1'], '5.0': ['MQTT-4.2.0-1'] },
  'serves mosquitto_pub and mosquitto_sub over TLS',
  withTools(async (t, tools) => {
    const trust = ['--cafile', join(t.broker.folder('tls'), 'certificate.pem')];
    const subscriber = await tools.subscriber(['-t', t.topic(), '-C', '1', '-q', '1', ...trust]);
    await tools.publish(['-t', t.topic(), '-m', 'sealed', '-q', '1', ...trust]);
    equal(messagesOf(await subscriber.ends()), ['sealed'], 'output');
    // A client that does not speak TLS gets nowhere.
    const plain = tools.run('mosquitto_pub', ['-t', t.topic(), '-m', 'open']);
    const isIn = await plain.ends().then(
      () => true,
      () => false,
    );
    equal(isIn, false, 'a plain client in:');
  }),
  { profile: 'tls' },
);
