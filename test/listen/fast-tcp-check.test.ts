/** When Node's internals are not what they were, listeners use `net.Socket` and say so quietly. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Log } from '../../src/base/log.js';
import { isFastTcpUsable } from '../../src/listen/fast-tcp-check.js';
import { StreamTransport } from '../../src/listen/stream-transport.js';
import { run } from '../support/process.js';
import { SocketClient } from './support/clients.js';
import { Rig } from './support/rig.js';

const test = suite('fast tcp check');

const checkUrl = new URL('../../src/listen/fast-tcp-check.js', import.meta.url).href;

/** What a fresh process finds after `prelude`. */
async function verdictAfter(prelude: string, flags: readonly string[] = []): Promise<string> {
  const script = `${prelude};
    const { isFastTcpUsable } = await import(${JSON.stringify(checkUrl)});
    const log = { enabled: () => true, write: (level, event, fields) => {
      console.log(level + ': ' + event + ': ' + fields.reason);
    } };
    console.log(await isFastTcpUsable(log));`;
  const { output, code } = await run(process.execPath, [
    ...flags,
    '--input-type=module',
    '-e',
    script,
  ]);
  assert.is(code, 0, output);
  return output;
}

test('the check passes without a warning and lets the process end', async () => {
  assert.is(await verdictAfter(''), 'true');
  assert.is(await verdictAfter('', ['--pending-deprecation']), 'true');
});

for (const [name, prelude] of [
  ['are gone', 'process.binding = undefined'],
  ['are barred', 'process.binding = () => { throw new Error("barred") }'],
  ['have changed', 'process.binding = () => ({ streamBaseState: [] })'],
] as const) {
  test(`the check fails when the internals ${name}`, async () => {
    const expected = 'debug: fast socket edge is off: internals are not available\nfalse';
    assert.is(await verdictAfter(prelude), expected);
  });
}

test('a listener works without them', async () => {
  const lines: string[] = [];
  const log: Log = {
    enabled: () => true,
    write: (level, event) => lines.push(`${level}: ${event}`),
  };
  // Complete to look at, but nothing is ever reported in that array.
  const real = (process as unknown as { binding: (name: string) => object }).binding('stream_wrap');
  const binding = () => ({ ...real, streamBaseState: new Int32Array(8) });
  Object.assign(process, { binding });

  assert.is(await isFastTcpUsable(log), false);
  assert.equal(lines, ['debug: fast socket edge is off']);
  await Rig.with({}, {}, async (rig) => {
    const client = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
    assert.instance((await rig.recorder()).transport, StreamTransport);
    client.destroy();
  });
});

test.run();
