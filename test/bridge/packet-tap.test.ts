import { Duplex } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PacketTap } from '../../src/bridge/packet-tap.js';
import { until } from '../support/until.js';

const test = suite('packets beside MQTT.js');

const connack = Buffer.from([0x20, 2, 0, 0]);
const suback = Buffer.from([0x90, 3, 0, 5, 1]);
const publish = Buffer.from([0x30, 4, 0, 1, 0x61, 0x78]);

class Wire extends Duplex {
  readonly written: Buffer[] = [];

  override _read(): void {
    // The test pushes.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written.push(chunk);
    done();
  }
}

interface Rig {
  readonly wire: Wire;
  readonly tap: PacketTap;
  /** What the bridge got, and what MQTT.js did. */
  readonly messages: string[];
  readonly control: string[];
  /** Feeds bytes and waits until they were taken. */
  feed(...parts: Buffer[]): Promise<void>;
}

function rig(own: readonly number[] = [], packetBytesMax = 1_000): Rig {
  const wire = new Wire();
  const ids = new Set(own);
  const tap = new PacketTap(wire, ids, packetBytesMax);
  const messages: string[] = [];
  const control: string[] = [];
  tap.on('data', (bytes: Buffer) => control.push(bytes.toString('hex')));
  tap.on('error', () => undefined);
  tap.sink = {
    onPacket: (firstByte, bytes, start, end) =>
      messages.push(`${firstByte.toString(16)}:${bytes.toString('hex', start, end)}`),
  };
  const feed = async (...parts: Buffer[]): Promise<void> => {
    for (const part of parts) wire.push(part);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { wire, tap, messages, control, feed };
}

test('messages and acknowledgements go one way, the rest the other', async () => {
  const { messages, control, feed } = rig([5]);
  const acks = [0x40, 0x50, 0x62, 0x70].map((type) => Buffer.from([type, 2, 0, 7]));
  const ownAck = Buffer.from([0x40, 2, 0, 5]);

  await feed(publish, suback, ...acks, ownAck);

  assert.equal(messages, ['30:00016178', '40:0007', '50:0007', '62:0007', '70:0007']);
  assert.equal(control, ['9003000501', '40020005']);
});

test('packets may come in any pieces', async () => {
  const { messages, control, feed } = rig();
  const large = Buffer.concat([Buffer.from([0x30, 0x84, 2, 0, 1, 0x61]), Buffer.alloc(257, 1)]);
  const bytes = Buffer.concat([suback, publish, large, publish]);

  await feed(...Array.from(bytes, (byte) => Buffer.from([byte])));

  assert.is(messages.length, 3);
  assert.is(messages[1]!.length, 3 + 2 * 260);
  assert.equal(control.join(''), '9003000501');
});

test('behind CONNACK everything waits until it is released', async () => {
  const { tap, messages, control, feed } = rig();

  await feed(Buffer.concat([connack, publish]), publish);
  assert.equal(control, ['20020000']);
  assert.equal(messages, []);
  tap.release();
  await until('both', () => messages.length === 2);
});

test('it can be held at any packet', async () => {
  const { tap, messages, feed } = rig();
  tap.sink = {
    onPacket: (firstByte) => {
      messages.push(`${firstByte}`);
      tap.hold();
    },
  };

  await feed(Buffer.concat([publish, publish, publish]));
  assert.is(messages.length, 1);
  tap.release();
  assert.is(messages.length, 2);
  tap.release();
  assert.is(messages.length, 3);
});

test('a packet that is too large, or has no length, ends the connection', async () => {
  for (const bytes of [
    [0x30, 0xe9, 0x07],
    [0x30, 0xff, 0xff, 0xff, 0xff],
  ]) {
    const { wire, tap, feed } = rig([], 1_000);
    await feed(Buffer.from(bytes));
    assert.is(tap.destroyed && wire.destroyed, true);
  }
});

test('what both sides write stays in order', async () => {
  const { wire, tap, feed } = rig();
  tap.cork();
  tap.write(Buffer.from('a'));
  tap.write(Buffer.from('b'));
  tap.uncork();
  tap.write(Buffer.from('c'));
  await feed();

  assert.is(Buffer.concat(wire.written).toString(), 'abc');
});

test('the end of the wire is the end of the connection', async () => {
  const { wire, tap } = rig();
  const closed = new Promise((resolve) => tap.once('close', resolve));
  wire.destroy();
  await closed;
});

test.run();
