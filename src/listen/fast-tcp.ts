/**
 * The socket edge for plain TCP and Unix sockets: accepted handles are driven directly, without a
 * `net.Socket` per connection. Hot path. All that we know of Node's internals is in this file.
 *
 * What it saves: 64 KiB allocated per read event, the stream machinery per write, and most of the
 * memory of an idle connection. Nothing here is public API of Node, so fast-tcp-check.ts tries all
 * of it at start-up on a real socket pair; without a pass the listener stays with `net.Socket`.
 *
 *   fresh ──receive──▶ open ──end──▶ ending ──shut down and peer's end, or linger──▶ closed
 *                        └────────────destroy, end of stream, error──────────────▶ closed
 *
 * A handle is never touched once `close` was called on it: `handle` is null from then on.
 */
import { writeSync } from 'node:fs';
import type { Server } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { assert } from '../base/assert.js';
import {
  type PeerInfo,
  READ_HEADROOM,
  readBuffer,
  type Transport,
  type TransportReceiver,
} from '../broker/transport.js';
import { plainAddress, plainPeer } from './peer.js';

/** The parts of Node's TCP and Pipe handles that are used. Status 0 is success, below 0 errno. */
export interface RawHandle {
  transport: FastTransport;
  onread: (this: RawHandle) => void;
  /** Below 0, or not there at all, where it is no number. */
  readonly fd?: number;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  shutdown(request: ShutdownRequest): number;
  close(callback?: (this: RawHandle) => void): void;
  setNoDelay?(on: boolean): number;
  getpeername?(into: { address?: string; port?: number }): number;
}
interface WriteRequest {
  transport: FastTransport | null;
  /** Keeps the bytes alive: libuv holds only a pointer. */
  chunk: Buffer | null;
  oncomplete: (this: WriteRequest, status: number) => void;
}
interface ShutdownRequest {
  transport: FastTransport;
  oncomplete: (this: ShutdownRequest, status: number) => void;
}
interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly ShutdownWrap: new () => ShutdownRequest;
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}
interface ListeningHandle {
  onconnection: (this: unknown, status: number, handle: RawHandle | undefined) => void;
}

const endOfStream = -4095; // UV_EOF on every platform
// A view costs a fifth of a microsecond; writes of one length from one chunk are common.
const viewSlots = 16;

let binding: StreamBinding | null = null;
let state: Int32Array = new Int32Array(0);
let readAt = 0;
let asyncAt = 0;
/** Used by every write that completes at once; replaced when one does not. */
let spareWrite: WriteRequest;

const readView = readBuffer.subarray(READ_HEADROOM);
const viewChunks: (Buffer | null)[] = new Array<Buffer | null>(viewSlots).fill(null);
const views: Buffer[] = new Array<Buffer>(viewSlots).fill(Buffer.alloc(0));

/** True when the internals are there at all. Whether they behave is fast-tcp-check's business. */
export function loadInternals(): boolean {
  if (binding !== null) return true;
  const found = streamBinding();
  if (found === null) return false;
  binding = found;
  state = found.streamBaseState;
  readAt = found.kReadBytesOrError;
  asyncAt = found.kLastWriteWasAsync;
  spareWrite = freshWrite();
  return true;
}

/**
 * Hands the connections that `server` accepts to `onHandle` as raw handles. The server must
 * listen and `loadInternals` have succeeded. False, and nothing changed, when it cannot be done.
 */
export function acceptRaw(
  server: Server,
  onHandle: (handle: RawHandle) => void,
  onError: (error: Error) => void,
): boolean {
  const listening = (server as unknown as { _handle: ListeningHandle | null })._handle;
  if (typeof listening?.onconnection !== 'function') return false;
  listening.onconnection = (status, handle) => {
    if (status !== 0 || handle === undefined) onError(systemError(status, 'accept'));
    else onHandle(handle);
  };
  return true;
}

/** Who is at the other end of a handle that has just been accepted; null: it is gone already. */
export function peerOfHandle(handle: RawHandle): PeerInfo | null {
  if (handle.getpeername === undefined) return plainPeer('unix', 0);
  const name: { address?: string; port?: number } = {};
  if (handle.getpeername(name) !== 0 || name.address === undefined) return null;
  return plainPeer(plainAddress(name.address), name.port ?? 0);
}

const phases = { fresh: 0, open: 1, ending: 2, closed: 3 } as const;
type Phase = (typeof phases)[keyof typeof phases];

export class FastTransport implements Transport {
  /** Replaced once, before the receiver exists, when a PROXY header names the real client. */
  peer: PeerInfo;
  /** The address that this connection is counted under, for `onGone`; null: none. */
  countedAddress: string | null = null;
  private handle: RawHandle | null;
  private receiver: TransportReceiver | null = null;
  private readonly onGone: (transport: FastTransport) => void;
  /** The chunk of the one write that is under way. */
  private pending: Buffer | null = null;
  private phase: Phase = phases.fresh;
  private wantsData = true;
  /** libuv takes it for an error to start twice. */
  private isReading = false;
  private isShutDown = false;
  private peerEnded = false;
  private error: Error | null = null;
  private lingerTimer: NodeJS.Timeout | null = null;

  /** `onGone` is called once, after the handle has been closed and before `onClose`. */
  constructor(handle: RawHandle, peer: PeerInfo, onGone: (transport: FastTransport) => void) {
    this.peer = peer;
    this.handle = handle;
    this.onGone = onGone;
    handle.transport = this;
    handle.onread = onRead;
    handle.useUserBuffer(readView);
  }

  /** Starts reading into `receiver`, or goes on with another one. */
  receive(receiver: TransportReceiver): void {
    this.receiver = receiver;
    if (this.phase !== phases.fresh) return;
    this.phase = phases.open;
    if (this.wantsData) this.startReading();
  }

  write(chunk: Buffer, length: number): boolean {
    const handle = this.handle;
    if (handle === null || this.phase === phases.ending) return true;
    assert(this.pending === null, 'one write at a time');
    const request = spareWrite;
    const status = handle.writeBuffer(request, viewOf(chunk, length));
    if (status !== 0) {
      this.close(systemError(status, 'write'));
      return true;
    }
    if (state[asyncAt] === 0) return true;
    spareWrite = freshWrite();
    request.transport = this;
    request.chunk = chunk;
    this.pending = chunk;
    return false;
  }

  writeNow(bytes: Buffer, start: number, end: number): number {
    const fd = this.handle?.fd ?? -1;
    if (fd < 0 || this.phase === phases.ending) return 0;
    assert(this.pending === null, 'one write at a time');
    try {
      return writeSync(fd, bytes, start, end - start);
    } catch {
      // Full, or broken: the next `write` waits for room, or says what is wrong.
      return 0;
    }
  }

  pause(): void {
    if (!this.wantsData) return;
    this.wantsData = false;
    if (this.phase !== phases.open || !this.isReading) return;
    this.isReading = false;
    this.handle?.readStop();
  }

  resume(): void {
    if (this.wantsData) return;
    this.wantsData = true;
    if (this.phase === phases.open) this.startReading();
  }

  end(lingerMs: number): void {
    const handle = this.handle;
    if (handle === null || this.phase === phases.ending) return;
    this.phase = phases.ending;
    this.lingerTimer = setTimeout(closeLingering, lingerMs, this);
    // What still arrives is thrown away: closing with unread bytes would send a reset, which can
    // destroy our last packet on its way.
    this.startReading();
    if (this.handle === null || binding === null) return;
    const request = new binding.ShutdownWrap();
    request.transport = this;
    request.oncomplete = onShutDown;
    if (handle.shutdown(request) !== 0) this.close(null);
  }

  destroy(): void {
    this.close(null);
  }

  /** Called by the handle's `onread`: a byte count, or an error below zero. */
  onReadResult(result: number): void {
    if (result > 0) {
      if (this.phase !== phases.open) return;
      this.receiver?.onData(readBuffer, READ_HEADROOM, READ_HEADROOM + result);
    } else if (result === endOfStream) {
      this.peerEnded = true;
      if (this.phase !== phases.ending || this.isShutDown) this.close(null);
    } else if (result < 0) {
      this.close(systemError(result, 'read'));
    }
  }

  /** Called when a write that was not done at once is over. */
  onWriteDone(status: number): void {
    const chunk = this.pending;
    this.pending = null;
    if (status < 0) this.close(systemError(status, 'write'));
    else if (chunk !== null && this.handle !== null) this.receiver?.onWritten(chunk);
  }

  onShutDown(status: number): void {
    this.isShutDown = true;
    if (this.peerEnded || status < 0) this.close(null);
  }

  onHandleClosed(): void {
    this.onGone(this);
    const receiver = this.receiver;
    this.receiver = null;
    receiver?.onClose(this.error);
  }

  private startReading(): void {
    if (this.isReading || this.handle === null) return;
    this.isReading = true;
    const status = this.handle.readStart();
    if (status !== 0) this.close(systemError(status, 'read'));
  }

  private close(error: Error | null): void {
    const handle = this.handle;
    if (handle === null) return;
    this.handle = null;
    this.phase = phases.closed;
    this.error = error;
    if (this.lingerTimer !== null) clearTimeout(this.lingerTimer);
    // libuv cancels the write under way first: `onWriteDone` comes once more, before `onClose`.
    handle.close(onClosed);
  }
}

// One function for all handles: a closure per connection would cost memory.
function onRead(this: RawHandle): void {
  this.transport.onReadResult(state[readAt]);
}

function onClosed(this: RawHandle): void {
  this.transport.onHandleClosed();
}

function onWriteDone(this: WriteRequest, status: number): void {
  const transport = this.transport;
  this.transport = null;
  this.chunk = null;
  transport?.onWriteDone(status);
}

function onShutDown(this: ShutdownRequest, status: number): void {
  this.transport.onShutDown(status);
}

function closeLingering(transport: FastTransport): void {
  transport.destroy();
}

function viewOf(chunk: Buffer, length: number): Buffer {
  if (length === chunk.length) return chunk;
  const slot = length & (viewSlots - 1);
  const known = views[slot];
  if (viewChunks[slot] === chunk && known.length === length) return known;
  const view = chunk.subarray(0, length);
  viewChunks[slot] = chunk;
  views[slot] = view;
  return view;
}

function freshWrite(): WriteRequest {
  assert(binding !== null, 'internals are loaded');
  const request = new binding.WriteWrap();
  request.transport = null;
  request.chunk = null;
  request.oncomplete = onWriteDone;
  return request;
}

function systemError(status: number, syscall: string): Error {
  const code = status < 0 ? getSystemErrorName(status) : 'UNKNOWN';
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno: status, syscall });
}

/** `process.binding` is the only way to the state array; null where it is barred or changed. */
function streamBinding(): StreamBinding | null {
  const { binding: load } = process as unknown as { binding?: (name: string) => unknown };
  if (load === undefined) return null;
  // With --pending-deprecation Node would warn people who can do nothing about it.
  const { noDeprecation } = process as { noDeprecation?: boolean };
  let found: Partial<StreamBinding>;
  try {
    Object.assign(process, { noDeprecation: true });
    found = load('stream_wrap') as Partial<StreamBinding>;
  } catch {
    return null; // The permission model refuses it: the public API it is.
  } finally {
    Object.assign(process, { noDeprecation: noDeprecation ?? false });
  }
  const isComplete =
    found.streamBaseState instanceof Int32Array &&
    typeof found.kReadBytesOrError === 'number' &&
    typeof found.kLastWriteWasAsync === 'number' &&
    typeof found.WriteWrap === 'function' &&
    typeof found.ShutdownWrap === 'function';
  return isComplete ? (found as StreamBinding) : null;
}
