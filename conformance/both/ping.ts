/** PINGREQ and PINGRESP (section 3.12). */
import { equal } from '../expect.js';
import { pingreq } from '../raw/build.js';
import { test } from '../registry.js';

test(
  { '3.1': [], '3.1.1': ['MQTT-3.12.4-1'], '5.0': ['MQTT-3.12.4-1'] },
  'answers each PINGREQ with PINGRESP',
  async (t) => {
    const client = await t.connect();
    client.send(pingreq(), pingreq());
    for (let count = 0; count < 2; count++) {
      const pong = await client.expect('pingresp');
      equal(pong.bytes, Buffer.of(0xd0, 0), 'PINGRESP bytes');
    }
  },
);
