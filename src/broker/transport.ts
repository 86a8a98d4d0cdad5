/**
 * Transport: one ordered byte stream to a peer, whatever carries it (TCP, TLS, WebSocket, Unix
 * socket). The listen folder implements it; the connection uses it. Hot path.
 */

/** Who is at the other end, as far as the transport knows. */
export interface PeerInfo {
  /** Numeric address; of the real client when a PROXY header named it; `unix` for a Unix socket. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Common name of a verified client certificate, or the PSK identity; null without. */
  readonly identity: string | null;
  /** Subject of a verified client certificate in RFC 2253 form, as Mosquitto writes it. */
  readonly subject: string | null;
  readonly isTls: boolean;
}

export interface Transport {
  readonly peer: PeerInfo;

  /**
   * Sends `length` bytes from the start of `chunk`. True: all of them left or were copied, the
   * caller owns the chunk again. False: the transport keeps the chunk until it calls `onWritten`
   * with it; no other write may be issued before that.
   */
  write(chunk: Buffer, length: number): boolean;

  /**
   * Sends of `bytes[start..end)` what the kernel takes at once, and returns how many bytes that
   * were; 0 when the transport cannot do so. Like `write`, not while another one is under way.
   */
  writeNow(bytes: Buffer, start: number, end: number): number;

  /** Stops reading; at most one more `onData` may follow. Idempotent. */
  pause(): void;
  /** Reads on. Idempotent. */
  resume(): void;

  /** Closes after what was written has left; closes anyway after `lingerMs`. */
  end(lingerMs: number): void;
  /** Closes at once; what was not sent is lost. `onClose` follows, never within this call. */
  destroy(): void;
}

/** What a transport calls. The connection implements it. */
export interface TransportReceiver {
  /**
   * `bytes[start..end)` arrived. Valid during the call only: the buffer is reused. `bytes` has at
   * least `READ_HEADROOM` writable bytes before `start`, which the receiver may overwrite to join
   * what was left of the last call.
   */
  onData(bytes: Buffer, start: number, end: number): void;
  /**
   * The chunk of a `write` that returned false has left. Not called when the connection is gone,
   * so that nobody writes on: `onClose` follows then, and the chunk may still be in use.
   */
  onWritten(chunk: Buffer): void;
  /** The stream is over, once, for whatever reason; `error` is null for an orderly end. */
  onClose(error: Error | null): void;
}

/** The one buffer that all transports of a process read into, one after the other. */
export const READ_HEADROOM = 16 * 1024;
export const READ_AREA = 128 * 1024;
export const readBuffer: Buffer = Buffer.allocUnsafeSlow(READ_HEADROOM + READ_AREA);
