/** What the core relies on, held against every kind of transport over real sockets. */
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { XorShift32 } from '../../../src/base/prng.js';
import { READ_HEADROOM } from '../../../src/broker/transport.js';
import type { ListenerConfig } from '../../../src/config/config.js';
import { until } from '../../support/until.js';
import type { Client } from './clients.js';
import { type Recorder, Rig, type RigOptions } from './rig.js';

export interface TransportKind {
  readonly config: () => Partial<ListenerConfig>;
  readonly options?: RigOptions;
  readonly connect: (rig: Rig) => Promise<Client>;
  /** False where the medium has no reset (Unix sockets) or hides it. */
  readonly hasReset: boolean;
}

interface Pair {
  readonly rig: Rig;
  readonly client: Client;
  readonly recorder: Recorder;
}

const bigBytes = 4 * 1024 * 1024;
const writesMax = 1_000;

export function transportContract(test: Test, kind: TransportKind): void {
  const pairTest = (name: string, body: (pair: Pair) => Promise<void>, options: RigOptions = {}) =>
    test(name, () => withPair(kind, options, body));

  pairTest('delivers bytes in order however they are sliced', async ({ client, recorder }) => {
    const sent = pattern(300_000);
    const prng = new XorShift32(20);
    for (let at = 0; at < sent.length; ) {
      const length = 1 + prng.below(prng.below(2) === 0 ? 20 : 20_000);
      client.send(sent.subarray(at, at + length));
      at += length;
    }
    await recorder.untilBytes(sent.length);

    assert.ok(recorder.bytes.equals(sent));
    assert.ok(recorder.lowestStart >= READ_HEADROOM);
  });

  pairTest('gives the chunk back at once when it took the bytes', async ({ client, recorder }) => {
    const chunk = Buffer.from('first, and more');
    assert.is(recorder.transport.write(chunk, 5), true);
    chunk.fill('-');
    assert.is(recorder.transport.write(Buffer.from(' second'), 7), true);
    await client.untilReceived(12);

    assert.is(client.received.toString(), 'first second');
    assert.equal(recorder.written, []);
  });

  pairTest('keeps the chunk while the peer does not read', async ({ client, recorder }) => {
    client.stopReading();
    const { kept, sentBytes } = fill(recorder);
    assert.equal(recorder.written, []);
    client.readOn();
    await client.untilReceived(sentBytes);

    await until('onWritten', () => recorder.written.length === 1);
    assert.is(recorder.written[0], kept);
    assert.ok(isPattern(client.received, kept.length));
    assert.is(recorder.transport.write(Buffer.from('more'), 4), true);
    await client.untilReceived(sentBytes + 4);
  });

  pairTest('stops at a pause and goes on in order', async ({ rig, client, recorder }) => {
    const sent = pattern(bigBytes);
    recorder.onBytes = ({ transport }) => transport.pause();
    client.send(sent);
    await recorder.untilBytes(1);
    await barrier(kind, rig, 1);
    assert.ok(recorder.chunks.length <= 2, `${recorder.chunks.length} calls after the pause`);

    recorder.onBytes = null;
    recorder.transport.resume();
    await recorder.untilBytes(sent.length);
    assert.ok(recorder.bytes.equals(sent));
  });

  pairTest('survives a pause and resume at every read', async ({ client, recorder }) => {
    const sent = pattern(bigBytes);
    recorder.onBytes = ({ transport }) => {
      transport.pause();
      setImmediate(() => transport.resume());
    };
    client.send(sent);
    await recorder.untilBytes(sent.length);

    assert.ok(recorder.bytes.equals(sent));
  });

  pairTest(
    'reads nothing when it was paused before it began',
    async ({ rig, client, recorder }) => {
      client.send(Buffer.from('later'));
      await barrier(kind, rig, 1, (other) => {
        other.onBytes = null;
        other.transport.resume();
      });
      assert.is(recorder.byteCount, 0);

      recorder.transport.resume();
      await recorder.untilBytes(5);
    },
    { onAccept: ({ transport }) => transport.pause() },
  );

  pairTest('sends everything before an end', async ({ client, recorder }) => {
    client.stopReading();
    const { sentBytes } = fill(recorder);
    recorder.transport.end(5_000);
    client.readOn();
    await client.untilOver();
    client.end();
    await recorder.untilClosed();

    assert.is(client.received.length, sentBytes);
    assert.is(recorder.error, null);
    assert.equal(recorder.events, ['written', 'close']);
  });

  pairTest('delivers nothing after an end', async ({ client, recorder }) => {
    recorder.transport.end(5_000);
    client.send(pattern(100_000));
    client.end();
    await recorder.untilClosed();

    assert.equal(recorder.events, ['close']);
  });

  pairTest('closes after the linger time at the latest', async ({ client, recorder }) => {
    client.stopReading();
    fill(recorder);
    recorder.transport.end(30);
    await recorder.untilClosed();

    assert.is(recorder.events.at(-1), 'close');
    assert.is(recorder.error, null);
  });

  pairTest('destroys at once, tells later, and no write has left', async ({ client, recorder }) => {
    client.stopReading();
    fill(recorder);
    recorder.transport.destroy();
    recorder.transport.destroy();
    assert.equal(recorder.events, []);
    assert.is(recorder.transport.write(Buffer.from('late'), 4), true);
    recorder.transport.pause();
    recorder.transport.resume();
    recorder.transport.end(10);
    await recorder.untilClosed();

    assert.equal(recorder.events, ['close']);
    assert.is(recorder.error, null);
    client.readOn();
    await client.untilOver();
  });

  pairTest('may be destroyed while it delivers', async ({ client, recorder }) => {
    recorder.onBytes = ({ transport }) => transport.destroy();
    client.send(pattern(bigBytes));
    await recorder.untilClosed();

    assert.equal(recorder.events, ['data', 'close']);
  });

  pairTest('takes the end of the stream for an orderly close', async ({ client, recorder }) => {
    client.send(Buffer.from('last words'));
    client.end();
    await recorder.untilClosed();

    assert.is(recorder.bytes.toString(), 'last words');
    assert.is(recorder.error, null);
    assert.is(recorder.closeCount, 1);
  });

  if (kind.hasReset) {
    pairTest('reports a reset by the peer as an error', async ({ client, recorder }) => {
      client.send(Buffer.from('x'));
      await recorder.untilBytes(1);
      client.reset();
      await recorder.untilClosed();

      assert.instance(recorder.error, Error);
      assert.is((recorder.error as NodeJS.ErrnoException).code, 'ECONNRESET');
    });
  }

  pairTest('reports a peer that vanished during a write', async ({ client, recorder }) => {
    client.stopReading();
    fill(recorder);
    client.destroy();
    await recorder.untilClosed();

    assert.is(recorder.events.at(-1), 'close');
  });

  pairTest('sends at once what the kernel takes, and not what it does not', async (pair) => {
    const { client, recorder } = pair;
    const { transport } = recorder;
    const sent = pattern(8 * 1024 * 1024);
    client.stopReading();
    let at = 0;
    let taken: number;
    do {
      taken = transport.writeNow(sent, at, sent.length);
      assert.ok(taken >= 0 && taken <= sent.length - at);
      at += taken;
    } while (taken > 0 && at < sent.length);
    assert.is(transport.writeNow(sent, at, at), 0, 'nothing to send');
    const rest = Buffer.from(sent.subarray(at));
    if (rest.length > 0) transport.write(rest, rest.length);
    client.readOn();
    await client.untilReceived(sent.length);

    assert.ok(client.received.equals(sent));
  });

  test('closes a connection that its receiver destroys at once', async () => {
    const options = { ...kind.options, onAccept: ({ transport }: Recorder) => transport.destroy() };
    await Rig.with(kind.config(), options, async (rig) => {
      const client = await kind.connect(rig);
      const recorder = await rig.recorder();
      await recorder.untilClosed();
      await client.untilOver();
      assert.equal(recorder.events, ['close']);
    });
  });
}

async function withPair(
  kind: TransportKind,
  options: RigOptions,
  body: (pair: Pair) => Promise<void>,
): Promise<void> {
  await Rig.with(kind.config(), { ...kind.options, ...options }, async (rig) => {
    const client = await kind.connect(rig);
    try {
      await body({ rig, client, recorder: await rig.recorder() });
    } finally {
      client.destroy();
    }
  });
}

/** Writes until the transport keeps a chunk. */
function fill(recorder: Recorder): { kept: Buffer; sentBytes: number } {
  const chunk = pattern(64 * 1024);
  for (let count = 1; count <= writesMax; count += 1) {
    if (!recorder.transport.write(chunk, chunk.length)) {
      return { kept: chunk, sentBytes: count * chunk.length };
    }
  }
  throw new Error('the transport never keeps a chunk');
}

/**
 * When another connection has come and gone with its bytes, the event loop has had every chance
 * to deliver what it had for the first one.
 */
async function barrier(
  kind: TransportKind,
  rig: Rig,
  index: number,
  prepare: (recorder: Recorder) => void = () => undefined,
): Promise<void> {
  const client = await kind.connect(rig);
  const recorder = await rig.recorder(index);
  prepare(recorder);
  client.send(pattern(200_000));
  await recorder.untilBytes(200_000);
  client.destroy();
  await recorder.untilClosed();
}

/** Bytes in which a lost, doubled or misplaced piece shows. */
function pattern(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at += 1) bytes[at] = (at * 31 + (at >>> 8) * 7) & 0xff;
  return bytes;
}

function isPattern(bytes: Buffer, period: number): boolean {
  const expected = pattern(period);
  for (let at = 0; at < bytes.length; at += period) {
    if (!bytes.subarray(at, at + period).equals(expected.subarray(0, bytes.length - at))) {
      return false;
    }
  }
  return true;
}
