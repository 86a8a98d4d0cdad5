/** DISCONNECT of 5.0 (section 3.14), and errors (section 4.13). */
import { equal } from '../expect.js';
import * as build from '../raw/build.js';
import { propertyBytes } from '../raw/properties.js';
import { test } from '../registry.js';

test(
  { '5.0': ['MQTT-3.14.1-1', 'MQTT-3.14.4-2'] },
  'answers DISCONNECT with reserved bits by DISCONNECT 0x81, then closes',
  async (t) => {
    const client = await t.connect();
    client.send(Buffer.of(0xe1, 0));
    const code = await client.expectClosed({ codes: [0x81] });
    equal(code, 0x81, 'reason code of DISCONNECT');
  },
);

test(
  { '5.0': ['MQTT-3.14.4-2', 'MQTT-4.13.2-1', 'MQTT-3.14.4-1'] },
  'closes after each DISCONNECT that it sends, and sends nothing more',
  async (t) => {
    const breaches: readonly (readonly [Buffer, readonly number[]])[] = [
      [build.subscribe(5, { packetId: 0, filters: [{ filter: 'a' }] }), [0x81, 0x82]],
      [build.publish(5, { topic: 'a/#' }), [0x81, 0x82, 0x90]],
      [build.publish(5, { topic: 'a', properties: { topicAlias: 65_535 } }), [0x81, 0x82, 0x94]],
      [build.connect(5, { clientId: 'x' }), [0x82]],
    ];
    for (const [bytes, codes] of breaches) {
      const client = await t.connect();
      // More after the breach in the same write: nothing of it is answered.
      client.send(bytes, build.pingreq(), build.pingreq());
      await client.expectClosed({ codes });
    }
  },
);

test(
  { '5.0': ['MQTT-4.13.1-1'] },
  'closes at DISCONNECT with a wrong code or property, and publishes the will',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('#'), 1);
    const cases: readonly build.ReasonFields[] = [
      { reasonCode: 0x05 },
      { reasonCode: 0x00, properties: { topicAlias: 1 } },
      { reasonCode: 0x00, properties: Buffer.of(0x7f) },
      {
        reasonCode: 0x00,
        properties: Buffer.concat([
          propertyBytes({ reasonString: 'x' }),
          propertyBytes({ reasonString: 'x' }),
        ]),
      },
    ];
    for (const [at, fields] of cases.entries()) {
      const will = { topic: t.topic(`will${at}`), payload: 'x', qos: 1 };
      const client = await t.connect({ will });
      client.send(build.disconnect(5, fields));
      await client.expectClosed({ codes: [0x81, 0x82] });
      equal((await watcher.receive()).topic, will.topic, 'topic of the will');
    }
  },
);

test(
  { '5.0': ['MQTT-3.14.2-1'] },
  'accepts DISCONNECT with each form and each code that a client may send',
  async (t) => {
    const codes = [
      0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    ];
    const forms: build.ReasonFields[] = [{}, ...codes.map((reasonCode) => ({ reasonCode }))];
    const properties = { reasonString: 'bye', userProperties: [['a', 'b']] as const };
    for (const fields of [...forms, { reasonCode: 0, properties }]) {
      const client = await t.connect();
      client.send(build.disconnect(5, fields));
      await client.expectClosed();
    }
  },
);
