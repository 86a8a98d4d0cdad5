/** MQTT over WebSocket (RFC 6455), by hand: any frame, any cut, any opcode. */
import { createHash, randomBytes } from 'node:crypto';
import { ExpectationError } from '../expect.js';
import { DEADLINE_MS, type Endpoint, openTcp, type Wire } from './wire.js';

export const TEXT = 1;
export const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const CONTINUATION = 0;
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export interface Upgrade {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
}

export class WebSocketWire implements Wire {
  upgrade: Upgrade = { status: 0, headers: new Map() };
  /** Opcodes of data frames that the broker sent other than binary ones. */
  readonly wrongOpcodes: number[] = [];
  private readonly tcp: Wire;
  private pending: Buffer = Buffer.alloc(0);
  private onBytes: (bytes: Buffer) => void = () => undefined;
  private early: Buffer[] = [];
  private hasListener = false;

  constructor(tcp: Wire) {
    this.tcp = tcp;
  }

  /** Sends the upgrade request and waits for the answer's headers. */
  async shake(endpoint: Endpoint, subprotocols: string): Promise<void> {
    const key = randomBytes(16).toString('base64');
    const lines = [
      'GET /mqtt HTTP/1.1',
      `Host: ${endpoint.host}:${endpoint.port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Key: ${key}`,
      'Sec-WebSocket-Version: 13',
    ];
    if (subprotocols !== '') lines.push(`Sec-WebSocket-Protocol: ${subprotocols}`);
    const head = await this.readHead(`${lines.join('\r\n')}\r\n\r\n`);
    const [first, ...rest] = head.split('\r\n');
    const headers = new Map(
      rest.map((line) => {
        const at = line.indexOf(':');
        return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()] as const;
      }),
    );
    this.upgrade = { status: Number(first.split(' ')[1]), headers };
    const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
    if (this.upgrade.status === 101 && headers.get('sec-websocket-accept') !== accept) {
      throw new ExpectationError(`Sec-WebSocket-Accept ${accept}`, head);
    }
  }

  write(bytes: Buffer): void {
    this.writeFrame(BINARY, bytes);
  }

  /** One frame with this opcode; `isFinal` false begins or goes on with a fragmented message. */
  writeFrame(opcode: number, bytes: Buffer, isFinal = true): void {
    const { length } = bytes;
    const first = (isFinal ? 0x80 : 0) | opcode;
    const head =
      length < 126
        ? Buffer.of(first, 0x80 | length)
        : Buffer.of(first, 0x80 | 126, length >> 8, length & 0xff);
    if (length > 65535) throw new Error('longer frames are not needed');
    const mask = randomBytes(4);
    this.tcp.write(
      Buffer.concat([head, mask, Buffer.from(bytes.map((b, at) => b ^ mask[at & 3]))]),
    );
  }

  end(): void {
    this.writeFrame(CLOSE, Buffer.of(0x03, 0xe8));
    this.tcp.end();
  }

  destroy(): void {
    this.tcp.destroy();
  }

  onData(listener: (bytes: Buffer) => void): void {
    this.onBytes = listener;
    this.hasListener = true;
    for (const bytes of this.early.splice(0)) listener(bytes);
  }

  onClose(listener: () => void): void {
    this.tcp.onClose(listener);
  }

  private readHead(request: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(
        () => reject(new ExpectationError('an upgrade response', 'nothing')),
        DEADLINE_MS,
      );
      let isDone = false;
      this.tcp.onClose(() => {
        clearTimeout(deadline);
        reject(new ExpectationError('an upgrade response', 'a close'));
      });
      this.tcp.onData((bytes) => {
        this.pending = Buffer.concat([this.pending, bytes]);
        const end = this.pending.indexOf('\r\n\r\n');
        if (!isDone && end < 0) return;
        if (!isDone) {
          isDone = true;
          clearTimeout(deadline);
          resolve(this.pending.subarray(0, end).toString('latin1'));
          this.pending = this.pending.subarray(end + 4);
        }
        this.readFrames();
      });
      this.tcp.write(Buffer.from(request, 'latin1'));
    });
  }

  private readFrames(): void {
    for (;;) {
      const bytes = this.pending;
      if (bytes.length < 2) return;
      const short = bytes[1] & 0x7f;
      const headLength = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length < headLength) return;
      const length =
        short < 126
          ? short
          : short === 126
            ? bytes.readUInt16BE(2)
            : Number(bytes.readBigUInt64BE(2));
      if (bytes.length < headLength + length) return;
      this.pending = bytes.subarray(headLength + length);
      this.onFrame(bytes[0] & 0x0f, bytes.subarray(headLength, headLength + length));
    }
  }

  private onFrame(opcode: number, payload: Buffer): void {
    if (opcode === PING) this.writeFrame(PONG, payload);
    else if (opcode === CLOSE) {
      this.writeFrame(CLOSE, payload);
      this.tcp.end();
    } else if (opcode !== PONG) {
      if (opcode !== BINARY && opcode !== CONTINUATION) this.wrongOpcodes.push(opcode);
      if (this.hasListener) this.onBytes(payload);
      else this.early.push(payload);
    }
  }
}

/** An upgraded connection that offered these subprotocols. */
export async function openWebSocket(
  endpoint: Endpoint,
  subprotocols = 'mqtt',
): Promise<WebSocketWire> {
  const wire = new WebSocketWire(await openTcp(endpoint));
  await wire.shake(endpoint, subprotocols);
  return wire;
}
