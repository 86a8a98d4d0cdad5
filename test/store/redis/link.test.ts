/** How many batches of a link are on their way: seen from a server that answers when it is told. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Clock, FakeClock, systemClock } from '../../../src/base/clock.js';
import { silentLog } from '../../../src/base/log.js';
import { Call } from '../../../src/store/redis/call.js';
import type { CommandBuffer } from '../../../src/store/redis/command-buffer.js';
import { Link } from '../../../src/store/redis/link.js';
import type { LinkHome } from '../../../src/store/redis/link-home.js';
import type { AckLevel, RedisStoreOptions } from '../../../src/store/redis/options.js';
import { REPLICA_GRACE_MS } from '../../../src/store/redis/tuning.js';
import { until } from '../../support/until.js';

const test = suite('redis: batches of a link');

/** Takes what comes and says nothing by itself. */
class SilentServer {
  received = '';
  private readonly server: Server;
  private socket: Socket | null = null;

  private constructor() {
    this.server = createServer((socket) => {
      this.socket = socket;
      socket.on('data', (bytes) => this.onData(bytes.toString('latin1')));
      socket.on('error', () => undefined);
    });
  }

  static async start(): Promise<SilentServer> {
    const silent = new SilentServer();
    await new Promise<void>((resolve) => silent.server.listen(0, '127.0.0.1', resolve));
    return silent;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  answer(reply: string): void {
    this.socket!.write(reply);
  }

  stop(): void {
    this.socket?.destroy();
    this.server.close();
  }

  /** What ioredis says as it connects is answered. */
  private onData(text: string): void {
    for (const greeting of text.matchAll(/\$6\r\nclient\r\n/gi))
      if (greeting) this.answer('+OK\r\n');
    this.received += text;
  }
}

class Ask extends Call {
  readonly size: number = 30;
  readonly name: string;
  reply: unknown = null;

  constructor(name: string) {
    super(0);
    this.name = name;
  }

  encode(out: CommandBuffer): void {
    out.command(2);
    out.text('ASK');
    out.text(this.name);
  }

  onReply(value: unknown): void {
    this.reply = value;
  }
}

/** @param ackLevel null: as many replicas as there are, of which there is one at first */
async function linked(
  ackLevel: AckLevel | null,
  clock: Clock = systemClock,
): Promise<{ server: SilentServer; link: Link }> {
  const server = await SilentServer.start();
  const options: RedisStoreOptions = {
    ...{ nodes: [], username: null, password: null, tls: null, prefix: '', nodeName: 'n' },
    ...{ ackLevel, clock, log: silentLog },
  };
  const counters = {
    ...{ calls: 0, batches: 0, repeats: 0, refused: 0, unknown: 0, shortfalls: 0 },
    ...{ connects: 0, redirections: 0, losses: 0 },
  };
  const ignore = (): void => undefined;
  const home: LinkHome = {
    replication: { isSeen: false },
    ...{ options, counters, isClosed: false },
    login: { username: null, password: null, tls: null, name: 'n' },
    ...{ later: ignore, after: ignore, refresh: ignore, reload: ignore },
    route: (call) => link.push(call),
    ...{ onRedirected: ignore, onRefused: ignore, onTrouble: ignore },
    prepare: () => {
      link.safety.onConnected(1);
      return Promise.resolve();
    },
  };
  const link = new Link({ host: '127.0.0.1', port: server.port }, home);
  link.start();
  await until('the connection', () => link.isReady);
  return { server, link };
}

function send(link: Link, name: string): Ask {
  const call = new Ask(name);
  link.push(call);
  link.flush();
  return call;
}

test('a batch that ends with WAIT is alone; what comes meanwhile is one batch, too', async () => {
  const { server, link } = await linked('replica');
  try {
    const first = send(link, 'first');
    send(link, 'second');
    send(link, 'third');
    await until('the first batch', () => /first\r\n.*WAIT/s.test(server.received));
    assert.not.match(server.received, 'second');
    server.answer(':1\r\n');
    server.answer(':1\r\n');
    await until('the next batch', () => /second\r\n.*third\r\n.*WAIT/s.test(server.received));
    assert.is(first.reply, 1);
    assert.is(server.received.split('WAIT').length - 1, 2);
  } finally {
    link.retire();
    server.stop();
  }
});

test('without WAIT one executes while the next one travels, and a third one waits', async () => {
  const { server, link } = await linked('primary');
  try {
    send(link, 'first');
    send(link, 'second');
    send(link, 'third');
    await until('the second batch', () => server.received.includes('second'));
    assert.not.match(server.received, 'third');
    server.answer(':1\r\n');
    await until('the third batch', () => server.received.includes('third'));
    assert.not.match(server.received, 'WAIT');
  } finally {
    link.retire();
    server.stop();
  }
});

test('what a primary answered without a replica is asked again once its word counts', async () => {
  const clock = new FakeClock();
  const { server, link } = await linked(null, clock);
  const count = (what: string): number => server.received.split(what).length - 1;
  try {
    const call = send(link, 'first');
    await until('the batch', () => count('WAIT') === 1);
    server.answer(':1\r\n');
    const stepMs = REPLICA_GRACE_MS / 4;
    for (let waits = 2; waits <= 7; waits++) {
      server.answer(':0\r\n');
      await until('another WAIT', () => count('WAIT') === waits);
      clock.advance(stepMs);
    }
    link.tick();
    await until('the question', () => count('INFO') === 1);
    server.answer(':0\r\n');
    const info = 'role:master\r\nconnected_slaves:0\r\n';
    server.answer(`$${info.length}\r\n${info}\r\n`);
    await until('a WAIT that nobody needs', () => count('WAIT') === 8);
    server.answer(':0\r\n');
    await until('the call, again', () => {
      link.flush();
      return count('first') === 2;
    });
    assert.is(call.reply, null);
    server.answer(':7\r\n');
    await until('its answer', () => call.reply === 7);
    assert.is(count('WAIT'), 8);
  } finally {
    link.retire();
    server.stop();
  }
});

test.run();
