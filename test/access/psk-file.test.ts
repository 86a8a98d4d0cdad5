/** psk_file: keys as Mosquitto takes them, errors by line. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PskFile } from '../../src/access/psk-file.js';
import type { BrokerError } from '../../src/base/errors.js';
import { silentLog } from '../../src/base/log.js';
import { withTempFolder } from '../support/temp.js';
import { errorOf, KeptLog } from './clients.js';

const test = suite('psk file');

test('reads identities and keys', async () => {
  await withTempFolder((folder) => {
    const content = '# keys\n\ndev:00fF\r\nodd:abc\na b:12 \n';

    const file = PskFile.load(folder.write('psk', content), silentLog);

    assert.is(file.size, 3);
    assert.equal(file.keyOf('dev'), Buffer.from([0x00, 0xff]));
    assert.equal(file.keyOf('odd'), Buffer.from([0x0a, 0xbc]));
    assert.equal(file.keyOf('a b'), Buffer.from([0x12]));
    assert.is(file.keyOf('nobody'), null);
  });
});

test('the last line of an identity counts, with a warning', async () => {
  await withTempFolder((folder) => {
    const log = new KeptLog();

    const file = PskFile.load(folder.write('psk', 'a:01\na:02\n'), log);

    assert.equal(file.keyOf('a'), Buffer.from([0x02]));
    assert.is(log.events('warning').length, 1);
  });
});

const badLines: readonly [line: string, message: RegExp][] = [
  ['dev', /expected identity:hexkey/],
  [':ab', /expected identity:hexkey/],
  ['dev:', /the key is missing/],
  ['dev:0xab', /not hexadecimal/],
  ['dev:ab:cd', /not hexadecimal/],
  [`dev:${'ab'.repeat(257)}`, /longer than 256 bytes/],
  [`${'d'.repeat(257)}:ab`, /identity is longer than 256 bytes/],
];

for (const [line, message] of badLines) {
  test(`refuses the file with its line: ${line.slice(0, 12)}`, async () => {
    await withTempFolder(async (folder) => {
      const path = folder.write('psk', `good:01\n${line}\n`);

      const error = await errorOf(() => PskFile.load(path, silentLog));

      assert.is((error as BrokerError).code, 'PSK_FILE');
      assert.ok(error.message.startsWith(`${path}:2: `), error.message);
      assert.match(error.message, message);
    });
  });
}

test.run();
