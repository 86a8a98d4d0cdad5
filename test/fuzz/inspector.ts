/**
 * The broker process seen by Node's inspector: its memory after a garbage collection. Resident
 * memory alone tells little about leaks, since it does not shrink when garbage goes.
 */
import WebSocket from 'ws';
import { untilEvent, within } from '../support/until.js';

export interface Memory {
  /** Live bytes: JavaScript objects and buffers. */
  readonly live: number;
  readonly resident: number;
}

const deadlineMs = 30_000;
const expression = 'JSON.stringify(process.memoryUsage())';

interface Reply {
  readonly id?: number;
  readonly error?: { readonly message: string };
  readonly result?: { readonly result?: { readonly value?: unknown } };
}

export class Inspector {
  private readonly socket: WebSocket;
  private readonly waiting = new Map<number, (reply: Reply) => void>();
  private nextId = 1;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => this.onReply(JSON.parse(String(data)) as Reply));
    // A process that has ended closes it: whoever waits then meets the deadline.
    socket.on('error', () => undefined);
  }

  static async connect(url: string): Promise<Inspector> {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await untilEvent(socket, 'open', { deadlineMs });
    return new Inspector(socket);
  }

  async memoryAfterCollection(): Promise<Memory> {
    // What a first collection frees may hold buffers that only a second one finds.
    await this.call('HeapProfiler.collectGarbage');
    await this.call('HeapProfiler.collectGarbage');
    const reply = await this.call('Runtime.evaluate', { expression });
    const usage = JSON.parse(String(reply.result?.result?.value)) as NodeJS.MemoryUsage;
    return { live: usage.heapUsed + usage.external, resident: usage.rss };
  }

  close(): void {
    this.socket.terminate();
  }

  private call(method: string, params: object = {}): Promise<Reply> {
    const id = this.nextId++;
    const reply = new Promise<Reply>((resolve, reject) => {
      this.waiting.set(id, (answer) => {
        if (answer.error === undefined) resolve(answer);
        else reject(new Error(`${method}: ${answer.error.message}`));
      });
    });
    this.socket.send(JSON.stringify({ id, method, params }));
    return within(`the inspector's answer to ${method}`, reply, { deadlineMs });
  }

  private onReply(reply: Reply): void {
    if (reply.id === undefined) return;
    this.waiting.get(reply.id)?.(reply);
    this.waiting.delete(reply.id);
  }
}
