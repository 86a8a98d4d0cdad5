/**
 * Writes to a client's socket. Hot path of the generator.
 *
 * `socket.write` costs microseconds of stream machinery, more than a broker may take for a
 * message. So writes go to the socket's handle, as Node's own net module does it; where this
 * Node does not offer that, they go through the stream.
 */
import type { Socket } from 'node:net';
import { LoadError } from './load-error.js';

export interface Sender {
  /** Writes under way: not, or only in part, with the kernel. More would pile up. */
  pending: number;
  /** True: the bytes may be reused at once; false: when `pending` is 0 again. */
  send(bytes: Uint8Array): boolean;
}

interface WriteRequest {
  oncomplete: ((status: number) => void) | null;
  buffer: Uint8Array | null;
}
interface Handle {
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
}
interface StreamBinding {
  WriteWrap: new () => WriteRequest;
  streamBaseState: Int32Array;
  kLastWriteWasAsync: number;
}

const binding = findBinding();

/** For a connected socket. `onFailure` is called at most once per failed write. */
export function createSender(socket: Socket, onFailure: (error: LoadError) => void): Sender {
  const handle = (socket as unknown as { _handle: Handle | null })._handle;
  if (binding === null || handle === null || typeof handle.writeBuffer !== 'function') {
    return new StreamSender(socket);
  }
  return new HandleSender(handle, binding, onFailure);
}

class HandleSender implements Sender {
  pending = 0;
  private readonly handle: Handle;
  private readonly binding: StreamBinding;
  private readonly onFailure: (error: LoadError) => void;
  /** Reused until a write goes on in the background and keeps it. */
  private request: WriteRequest;

  constructor(handle: Handle, owner: StreamBinding, onFailure: (error: LoadError) => void) {
    this.handle = handle;
    this.binding = owner;
    this.onFailure = onFailure;
    this.request = this.newRequest();
  }

  send(bytes: Uint8Array): boolean {
    const request = this.request;
    const status = this.handle.writeBuffer(request, bytes);
    if (status !== 0) {
      this.onFailure(new LoadError(`write failed with status ${status}`));
      return true;
    }
    const { streamBaseState, kLastWriteWasAsync } = this.binding;
    if (streamBaseState[kLastWriteWasAsync] === 0) return true;
    request.buffer = bytes; // keeps the memory alive while the kernel's turn has yet to come
    this.pending++;
    this.request = this.newRequest();
    return false;
  }

  private newRequest(): WriteRequest {
    const request = new this.binding.WriteWrap();
    request.buffer = null;
    request.oncomplete = (status) => {
      request.buffer = null;
      this.pending--;
      if (status < 0) this.onFailure(new LoadError(`write failed with status ${status}`));
    };
    return request;
  }
}

class StreamSender implements Sender {
  pending = 0;
  private readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  send(bytes: Uint8Array): boolean {
    this.pending++;
    this.socket.write(Buffer.from(bytes), () => {
      this.pending--;
    });
    return true;
  }
}

function findBinding(): StreamBinding | null {
  const { binding: load } = process as unknown as { binding?: (name: string) => unknown };
  try {
    const found = load?.call(process, 'stream_wrap') as Partial<StreamBinding> | undefined;
    const isWhole =
      typeof found?.WriteWrap === 'function' &&
      found.streamBaseState instanceof Int32Array &&
      typeof found.kLastWriteWasAsync === 'number';
    return isWhole ? (found as StreamBinding) : null;
  } catch {
    return null; // not offered under this Node's permissions: the stream does it too
  }
}
