import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LocalPipe } from '../../src/bridge/local-pipe.js';
import type { TransportReceiver } from '../../src/broker/transport.js';
import { until } from '../support/until.js';

const test = suite('a connection without a socket');

class Receiver implements TransportReceiver {
  readonly pieces: Buffer[] = [];
  written = 0;
  closes = 0;
  onPiece: () => void = () => undefined;

  onData(bytes: Buffer, start: number, end: number): void {
    this.pieces.push(Buffer.from(bytes.subarray(start, end)));
    this.onPiece();
  }

  onWritten(): void {
    this.written++;
  }

  onClose(): void {
    this.closes++;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }
}

function attached(): { pipe: LocalPipe; receiver: Receiver } {
  const pipe = new LocalPipe();
  const receiver = new Receiver();
  pipe.attach(receiver);
  return { pipe, receiver };
}

test('bytes go both ways; what the core writes is copied', async () => {
  const { pipe, receiver } = attached();
  const got: Buffer[] = [];
  pipe.on('data', (bytes: Buffer) => got.push(bytes));
  pipe.write(Buffer.from('up'));
  const chunk = Buffer.from('down and more');
  assert.is(pipe.transport.write(chunk, 4), true);
  chunk.fill(0);
  await until('down', () => got.length > 0);

  assert.is(receiver.bytes.toString(), 'up');
  assert.is(Buffer.concat(got).toString(), 'down');
});

test('nothing is handed over within the turn of the core that writes it', () => {
  const { pipe } = attached();
  let isNested = false;
  pipe.on('data', () => {
    isNested = true;
  });
  pipe.resume();
  pipe.transport.write(Buffer.from('x'), 1);

  assert.is(isNested, false);
  pipe.destroy();
});

test('a core that pauses gets the rest when it goes on', async () => {
  const { pipe, receiver } = attached();
  const large = Buffer.alloc(500_000, 7);
  receiver.onPiece = () => pipe.transport.pause();
  let isTaken = false;
  pipe.write(large, () => {
    isTaken = true;
  });
  assert.is(receiver.pieces.length, 1);
  assert.is(isTaken, false);

  receiver.onPiece = () => undefined;
  pipe.transport.resume();
  await until('the rest', () => isTaken);
  assert.is(receiver.bytes.equals(large), true);
});

test('a client that does not read makes the core wait', async () => {
  const { pipe, receiver } = attached();
  const chunk = Buffer.alloc(100_000);
  let writes = 1;
  while (pipe.transport.write(chunk, chunk.length)) writes++;
  assert.is(writes, 3);
  assert.is(receiver.written, 0);

  let bytes = 0;
  pipe.on('data', (part: Buffer) => {
    bytes += part.length;
  });
  await until('all', () => receiver.written === 1);
  assert.is(bytes, 300_000);
});

test('either end can end it, and the core hears of it once, never within its call', async () => {
  const ends: readonly ((pipe: LocalPipe) => void)[] = [
    (pipe) => pipe.end(),
    (pipe) => pipe.destroy(),
    (pipe) => pipe.transport.end(1_000),
    (pipe) => pipe.transport.destroy(),
  ];
  for (const end of ends) {
    const { pipe, receiver } = attached();
    pipe.resume();
    const closed = new Promise((resolve) => pipe.once('close', resolve));
    end(pipe);
    assert.is(receiver.closes, 0);
    await closed;
    await until('the end', () => receiver.closes === 1);
  }
});

test('what the core wrote last is read before the end', async () => {
  const { pipe } = attached();
  const got: string[] = [];
  pipe.on('data', (bytes: Buffer) => got.push(bytes.toString()));
  pipe.transport.write(Buffer.from('bye'), 3);
  pipe.transport.end(1_000);
  await new Promise((resolve) => pipe.once('close', resolve));

  assert.equal(got, ['bye']);
});

test('a client that never reads the end is cut off', async () => {
  const { pipe, receiver } = attached();
  pipe.transport.write(Buffer.from('bye'), 3);
  pipe.transport.end(5);
  await until('the end', () => receiver.closes === 1);
});

test.run();
