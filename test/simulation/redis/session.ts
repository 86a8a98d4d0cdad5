/** One client's connection at a server: its pipeline, and what it blocks on. */
import type { Loop, Process } from '../loop.js';
import type { Reply } from './reply.js';
import type { FakeServer } from './server.js';
import { type Read, readStream } from './stream-commands.js';
import type { End, Wire } from './wire.js';

interface Blocked {
  /** What it waits for: a stream, or so many replicas. */
  readonly read: Read | null;
  readonly replicas: number;
  readonly cancel: () => void;
}

export class Session implements End {
  wire: Wire | null = null;
  /** The next command may be about a slot that is on its way here. */
  isAsking = false;
  /** Offset of its last write, for WAIT. */
  writtenAt = 0;
  readonly process: Process;
  private readonly server: FakeServer;
  private readonly loop: Loop;
  private pipeline: (readonly string[])[] = [];
  private blocked: Blocked | null = null;
  private isClosed = false;

  constructor(server: FakeServer, loop: Loop) {
    this.server = server;
    this.loop = loop;
    this.process = server.process;
  }

  onData(data: unknown): void {
    this.pipeline.push(...(data as readonly (readonly string[])[]));
    this.go();
  }

  onClose(): void {
    this.isClosed = true;
    this.blocked?.cancel();
    this.blocked = null;
    this.server.forget(this);
  }

  /** XREAD found nothing. */
  block(read: Read): 'blocks' {
    this.stop(read, 0, read.blockMs, () => null);
    return 'blocks';
  }

  wait(replicas: number, ms: number): Reply | 'blocks' {
    const count = this.server.replication.confirmed(this.writtenAt);
    if (count >= replicas) return count;
    this.stop(null, replicas, ms, () => this.server.replication.confirmed(this.writtenAt));
    return 'blocks';
  }

  checkWait(): void {
    const { blocked } = this;
    if (blocked === null || blocked.read !== null) return;
    const count = this.server.replication.confirmed(this.writtenAt);
    if (count >= blocked.replicas) this.unblockWith(count);
  }

  onGrown(keys: readonly string[]): void {
    const read = this.blocked?.read;
    if (read == null || !keys.includes(read.key)) return;
    const found = readStream(this.server.db, read);
    if (found !== null) this.unblockWith(found);
  }

  /** Ends a read that blocks on one of the keys. */
  refuseRead(isOver: (key: string) => boolean, error: Reply): void {
    const read = this.blocked?.read;
    if (read != null && isOver(read.key)) this.unblockWith(error);
  }

  /** Ends what it blocks on, if it does, and goes on with what came behind. */
  unblockWith(reply: Reply): void {
    const { blocked } = this;
    if (blocked === null) return;
    blocked.cancel();
    this.blocked = null;
    this.wire?.fromServer([reply]);
    this.go();
  }

  private stop(read: Read | null, replicas: number, ms: number, late: () => Reply): void {
    const cancel = this.loop.schedule(this.process, ms, () => this.unblockWith(late()));
    this.blocked = { read, replicas, cancel };
  }

  private go(): void {
    const replies: Reply[] = [];
    while (this.blocked === null && this.pipeline.length > 0) {
      const reply = this.server.execute(this, this.pipeline.shift()!);
      if (reply !== 'blocks') replies.push(reply);
    }
    if (replies.length > 0 && !this.isClosed) this.wire?.fromServer(replies);
  }
}
