/**
 * One Redis server: sessions with pipelines, blocking reads, WAIT, scripts that are gone after a
 * restart, replication with delays. Who is primary of what, `FakeRedis` says.
 */
import type { Loop } from '../loop.js';
import { Process } from '../loop.js';
import { type Context, commandOf } from './commands.js';
import { Database } from './database.js';
import { Replication } from './replication.js';
import { ErrorReply, OK, type Reply, Status } from './reply.js';
import { loadScript, runScript } from './scripting.js';
import { Session } from './session.js';
import { parseRead, readStream } from './stream-commands.js';
import { ClusterView } from './view.js';

/** What a server is told by its cluster. */
export interface Surroundings {
  readonly loop: Loop;
  readonly context: Context;
  /** Milliseconds from one server to another. */
  delayMs(from: FakeServer, to: FakeServer): number;
  /** The answer to CLUSTER SLOTS; null: a single server. */
  slots(from: FakeServer): Reply | null;
  /** Null: it serves the slot of the keys; else what it says instead. */
  refusal(server: FakeServer, keys: readonly string[], isAsking: boolean): ErrorReply | null;
}

const PONG = new Status('PONG');

export class FakeServer {
  readonly port: number;
  readonly name: string;
  process: Process;
  db = new Database();
  isUp = true;
  isPrimary: boolean;
  /** What it knows of its cluster; of a single server: nothing. */
  readonly view = new ClusterView();
  /** Answers `LOADING` until then. */
  loadingUntilMs = 0;
  readonly replication: Replication;
  private readonly around: Surroundings;
  private readonly scripts = new Set<string>();
  private sessions = new Set<Session>();
  private lives = 0;

  constructor(port: number, isPrimary: boolean, around: Surroundings) {
    this.port = port;
    this.name = `redis${port}`;
    this.isPrimary = isPrimary;
    this.around = around;
    this.process = new Process(this.name, around.loop);
    this.replication = new Replication(this, around.loop, (from, to) => around.delayMs(from, to));
  }

  accept(): Session {
    const session = new Session(this, this.around.loop);
    this.sessions.add(session);
    return session;
  }

  forget(session: Session): void {
    this.sessions.delete(session);
  }

  /** `kill -9`: the kernel closes its connections, unless the machine is gone with it. */
  kill(isSilent: boolean): void {
    this.isUp = false;
    this.process.kill();
    for (const session of this.sessions) if (!isSilent) session.wire?.cut();
    this.sessions = new Set();
    this.replication.detachAll();
  }

  /** Reads that block on keys that it does not serve any more. */
  refuseReads(isOver: (key: string) => boolean, error: ErrorReply): void {
    for (const session of [...this.sessions]) session.refuseRead(isOver, error);
  }

  /** A key comes from another server, or goes there: its replicas hear of it. */
  apply(args: readonly string[]): void {
    commandOf(args).run(this.db, args, this.around.context);
    this.replicate(null);
  }

  /** Comes back with its data, as from an append-only file. */
  restart(): void {
    this.lives++;
    this.isUp = true;
    this.process = new Process(`${this.name}.${this.lives}`, this.around.loop);
    this.scripts.clear();
  }

  /** Another server is primary now. */
  becomeReplica(): void {
    this.isPrimary = false;
    this.replication.detachAll();
    const text = 'UNBLOCKED force unblock from blocking operation, instance state changed';
    const error = new ErrorReply(`${text} (master -> replica?)`);
    for (const session of [...this.sessions]) session.unblockWith(error);
  }

  /** Executes one command of a session; `blocks` when there is no answer yet. */
  execute(session: Session, args: readonly string[]): Reply | 'blocks' {
    try {
      const reply = this.run(session, args);
      this.replicate(session);
      return reply;
    } catch (error) {
      this.replicate(session);
      if (error instanceof ErrorReply) return error;
      throw error;
    }
  }

  /** Replicas have confirmed more: WAITs may be over. */
  onConfirmed(): void {
    for (const session of [...this.sessions]) session.checkWait();
  }

  private run(session: Session, args: readonly string[]): Reply | 'blocks' {
    const name = args[0]!.toUpperCase();
    const { isAsking } = session;
    session.isAsking = name === 'ASKING';
    switch (name) {
      case 'HELLO':
      case 'ASKING':
        return OK;
      case 'PING':
        return PONG;
      case 'INFO':
        return this.info();
      case 'CONFIG':
        return [];
      case 'COMMAND':
        return [null];
      case 'CLUSTER':
        return this.clusterSlots();
      case 'SCRIPT': {
        const sha = loadScript(args[2]!);
        this.scripts.add(sha);
        return sha;
      }
      case 'WAIT':
        if (!this.isPrimary)
          throw new ErrorReply('ERR WAIT cannot be used with replica instances.');
        return session.wait(Number(args[1]), Number(args[2]));
      default:
        return this.runOnKeys(session, name, args, isAsking);
    }
  }

  private runOnKeys(
    session: Session,
    name: string,
    args: readonly string[],
    isAsking: boolean,
  ): Reply | 'blocks' {
    if (this.around.loop.nowMs < this.loadingUntilMs) {
      throw new ErrorReply('LOADING Redis is loading the dataset in memory');
    }
    if (name === 'EVALSHA') return this.evaluate(args, isAsking);
    if (name === 'XREAD') return this.read(session, args, isAsking);
    const command = commandOf(args);
    if (command.keyAt > 0) this.checkKeys([args[command.keyAt]!], isAsking);
    if (command.isWrite && !this.isPrimary) throw readOnly();
    return command.run(this.db, args, this.around.context);
  }

  private evaluate(args: readonly string[], isAsking: boolean): Reply {
    const [, sha, countText, ...rest] = args;
    const count = Number(countText);
    const keys = rest.slice(0, count);
    this.checkKeys(keys, isAsking);
    if (!this.scripts.has(sha!)) throw new ErrorReply('NOSCRIPT No matching script.');
    if (!this.isPrimary) throw readOnly();
    return runScript(sha!, keys, rest.slice(count), this.db, this.around.context);
  }

  private read(session: Session, args: readonly string[], isAsking: boolean): Reply | 'blocks' {
    const read = parseRead(args);
    this.checkKeys([read.key], isAsking);
    const found = readStream(this.db, read);
    if (found !== null || read.blockMs < 0) return found;
    return session.block(read);
  }

  private checkKeys(keys: readonly string[], isAsking: boolean): void {
    const refusal = this.around.refusal(this, keys, isAsking);
    if (refusal !== null) throw refusal;
  }

  /** @param session null: nobody waits for it */
  private replicate(session: Session | null): void {
    const { db } = this;
    const { effects, grown } = db;
    if (effects.length > 0) {
      db.effects = [];
      const offset = this.replication.send(effects);
      if (session !== null) session.writtenAt = offset;
    }
    if (grown.length === 0) return;
    db.grown = [];
    for (const other of [...this.sessions]) other.onGrown(grown);
  }

  private clusterSlots(): Reply {
    const slots = this.around.slots(this);
    if (slots === null) throw new ErrorReply('ERR This instance has cluster support disabled');
    return slots;
  }

  private info(): string {
    const lines = [
      'redis_version:7.0.15',
      `run_id:${this.process.name}`,
      `role:${this.isPrimary ? 'master' : 'slave'}`,
      `loading:${this.around.loop.nowMs < this.loadingUntilMs ? 1 : 0}`,
      'aof_enabled:1',
      ...this.replication.attached.map(
        (port, index) => `slave${index}:ip=127.0.0.1,port=${port},state=online,offset=0,lag=0`,
      ),
    ];
    return lines.join('\r\n');
  }
}

function readOnly(): ErrorReply {
  return new ErrorReply("READONLY You can't write against a read only replica.");
}
