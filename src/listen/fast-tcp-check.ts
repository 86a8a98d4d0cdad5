/**
 * Tries the fast socket edge once per process on a real loopback connection: reading into the
 * shared buffer, pausing, writes that finish at once and later, the orderly end. It takes a few
 * milliseconds. Anything unexpected, and all listeners use `net.Socket` instead.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../base/errors.js';
import type { Log } from '../base/log.js';
import {
  acceptRaw,
  FastTransport,
  loadInternals,
  peerOfHandle,
  type RawHandle,
} from './fast-tcp.js';

const deadlineMs = 1_000;
const lingerMs = 500;
const greeting = 'fast socket edge';
// The client does not read until a write was not done at once; the kernel takes this much at most.
const bulkBytes = 1024 * 1024;
const bulkWritesMax = 64;

let verdict: Promise<boolean> | null = null;

/** Whether the fast socket edge works in this process; the answer is kept. */
export function isFastTcpUsable(log: Log): Promise<boolean> {
  verdict ??= check().then(
    () => true,
    (error: unknown) => {
      log.write('debug', 'fast socket edge is off', { reason: messageOf(error) });
      return false;
    },
  );
  return verdict;
}

async function check(): Promise<void> {
  if (!loadInternals()) throw new Error('internals are not available');
  const server = createServer();
  const ends: Ends = { client: null, probe: null };
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([
      tryOut(server, ends),
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('no answer in time')), deadlineMs);
      }),
    ]);
  } finally {
    clearTimeout(timer);
    ends.client?.destroy();
    ends.probe?.destroy();
    server.close();
  }
}

/** The two ends of the connection, which must not outlive the check. */
interface Ends {
  client: Socket | null;
  probe: Probe | null;
}

async function tryOut(server: Server, ends: Ends): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const closed = new Promise<Probe>((resolve, reject) => {
    const onHandle = (handle: RawHandle): void => {
      try {
        ends.probe = new Probe(handle, () => ends.client?.resume(), resolve, reject);
      } catch (error) {
        handle.close();
        reject(error);
      }
    };
    if (!acceptRaw(server, onHandle, reject)) reject(new Error('no listening handle'));
  });
  // A rejection while the client still connects must not go unhandled.
  closed.catch(() => undefined);

  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  ends.client = socket;
  let received = 0;
  const ended = new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('end', resolve);
    socket.on('data', (bytes: Buffer) => {
      received += bytes.length;
    });
  });
  ended.catch(() => undefined);
  socket.pause();
  socket.write(greeting);
  const probe = await closed;
  await ended;
  if (received !== probe.sentBytes) throw new Error('bytes were lost');
}

/** Answers the greeting, then sends until the kernel has enough; ends when that was written. */
class Probe {
  sentBytes = 0;
  private text = '';
  private readonly transport: FastTransport;
  private readonly letClientRead: () => void;
  private readonly resolve: (probe: Probe) => void;
  private readonly reject: (error: Error) => void;

  constructor(
    handle: RawHandle,
    letClientRead: () => void,
    resolve: (probe: Probe) => void,
    reject: (error: Error) => void,
  ) {
    this.letClientRead = letClientRead;
    this.resolve = resolve;
    this.reject = reject;
    const peer = peerOfHandle(handle);
    if (peer?.remoteAddress !== '127.0.0.1') throw new Error('the peer has no address');
    if (handle.setNoDelay?.(true) !== 0) throw new Error('no delay cannot be set');
    this.transport = new FastTransport(handle, peer, () => undefined);
    this.transport.receive(this);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.text += bytes.toString('latin1', start, end);
    this.transport.pause();
    this.transport.resume();
    if (this.text.length < greeting.length) return;
    if (this.text !== greeting) this.fail('other bytes were read than sent');
    else this.sendBulk();
  }

  onWritten(chunk: Buffer): void {
    if (chunk.length === bulkBytes) this.transport.end(lingerMs);
    else this.fail('another chunk was reported than written');
  }

  onClose(error: Error | null): void {
    if (error !== null) this.reject(error);
    else this.resolve(this);
  }

  destroy(): void {
    this.transport.destroy();
  }

  private sendBulk(): void {
    const bulk = Buffer.alloc(bulkBytes);
    this.sentBytes = greeting.length;
    const short = greeting.length - this.transport.writeNow(bulk, 0, greeting.length - 1);
    if (!this.transport.write(bulk, short)) {
      this.fail('a short write was not done at once');
      return;
    }
    for (let count = 0; count < bulkWritesMax; count += 1) {
      this.sentBytes += bulkBytes;
      if (this.transport.write(bulk, bulkBytes)) continue;
      this.letClientRead();
      return;
    }
    this.fail('writes never wait for the peer');
  }

  private fail(detail: string): void {
    this.transport.destroy();
    this.reject(new Error(detail));
  }
}
