/** The way to Redis passes on what it should, and nothing else. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../../support/until.js';
import { RedisPath } from './redis-path.js';

const test = suite('the way of a broker to Redis');

/** A server that says twice what it hears. */
async function startServer(heard: string[]): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      heard.push(String(bytes));
      socket.write(`${bytes}${bytes}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

interface Talk {
  readonly socket: Socket;
  text: string;
}

async function inPath(
  body: (path: RedisPath, open: () => Talk, heard: string[]) => Promise<void>,
): Promise<void> {
  const heard: string[] = [];
  const server = await startServer(heard);
  const { port } = server.address() as AddressInfo;
  const path = await RedisPath.start({ addresses: [['127.0.0.1', port]] }, 77);
  const talks: Talk[] = [];
  const open = (): Talk => {
    const [host] = path.addresses.split(':');
    const talk: Talk = { socket: connect(port, host), text: '' };
    talk.socket.on('error', () => undefined);
    talk.socket.on('data', (bytes) => {
      talk.text += String(bytes);
    });
    talks.push(talk);
    return talk;
  };
  try {
    await body(path, open, heard);
  } finally {
    for (const { socket } of talks) socket.destroy();
    await path.stop();
    server.close();
  }
}

test('everything passes while it is open', () =>
  inPath(async (_, open) => {
    const talk = open();
    talk.socket.write('a');
    await until('the answer', () => talk.text === 'aa');
  }));

test('what was sent while it was stalled arrives late, also from who has left meanwhile', () =>
  inPath(async (path, open, heard) => {
    const [leaving, staying] = [open(), open()];
    for (const talk of [leaving, staying]) {
      talk.socket.write('a');
      await until('the answer', () => talk.text === 'aa');
    }
    await path.block('stall');
    leaving.socket.end('b');
    const late = open();
    late.socket.write('c');
    await until('the connection', () => !late.socket.connecting);
    // Whatever passes by mistake would come before this.
    await path.block('stall');
    assert.equal(heard, ['a', 'a']);
    await path.open();
    await until('the rest', () => heard.includes('b') && late.text === 'cc');
    staying.socket.write('d');
    await until('the answer', () => staying.text === 'aadd');
  }));

test('one direction alone may be stalled', () =>
  inPath(async (path, open, heard) => {
    const talk = open();
    talk.socket.write('a');
    await until('the answer', () => talk.text === 'aa');
    await path.block('stall-down');
    talk.socket.write('b');
    await until('what is heard', () => heard.includes('b'));
    await path.block('stall-up');
    await until('the answer', () => talk.text === 'aabb');
    talk.socket.write('c');
    await path.block('stall-up');
    assert.equal(heard, ['a', 'b']);
    await path.open();
    await until('the answer', () => talk.text === 'aabbcc');
  }));

test('a cut ends all connections, and new ones too', () =>
  inPath(async (path, open) => {
    const talk = open();
    talk.socket.write('a');
    await until('the answer', () => talk.text === 'aa');
    await path.block('cut');
    await until('the end', () => talk.socket.destroyed);
    const late = open();
    await until('the end of the next one', () => late.socket.destroyed);
    assert.is(late.text, '');
    await path.open();
    await until('another one', () => {
      const again = open();
      again.socket.write('b');
      return until('the answer', () => again.text === 'bb', { deadlineMs: 200 }).catch(() => false);
    });
  }));

test.run();
