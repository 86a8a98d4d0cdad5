/**
 * Encode once: the frames of one message that goes to many connections. Recipients that share
 * version, QoS and RETAIN differ in the packet identifier at most, which is patched. Hot path.
 */
import { Block } from '../base/block.js';
import type { Message } from '../protocol/message.js';
import {
  noExtras,
  packetSize,
  publishRemainingLength,
  writePublish,
} from '../protocol/publish-writer.js';

const VARIANTS = 16;
const SCRATCH_BYTES = 64 * 1024;

export class Frame {
  readonly bytes: Uint8Array;
  /** -1 at QoS 0. */
  readonly packetIdAt: number;

  constructor(bytes: Uint8Array, packetIdAt: number) {
    this.bytes = bytes;
    this.packetIdAt = packetIdAt;
  }
}

export class FrameCache {
  private readonly frames: (Frame | null)[] = new Array<Frame | null>(VARIANTS).fill(null);
  private readonly scratch = Block.allocate(SCRATCH_BYTES);
  private used = 0;
  private isEmpty = true;
  /** Whose frames these are; what is asked for another one's starts anew. */
  private message: Message | null = null;

  /**
   * Forgets the frames of the message before, which may have been in the same `Message`, since
   * views are reused. Frames do not outlive this call.
   */
  reset(): void {
    if (this.isEmpty) return;
    this.frames.fill(null);
    this.used = 0;
    this.isEmpty = true;
  }

  get(message: Message, qos: number, retain: boolean, isV5: boolean, nowMs: number): Frame {
    // An observer may publish while a message goes out to many.
    if (message !== this.message) {
      this.reset();
      this.message = message;
    }
    const variant = (isV5 ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
    return this.frames[variant] ?? this.encode(variant, message, qos, retain, isV5, nowMs);
  }

  private encode(
    variant: number,
    message: Message,
    qos: number,
    retain: boolean,
    isV5: boolean,
    nowMs: number,
  ): Frame {
    const remaining = publishRemainingLength(message, qos, isV5, noExtras);
    const size = packetSize(remaining);
    let block = this.scratch;
    let at = this.used;
    if (at + size > SCRATCH_BYTES) {
      block = Block.allocate(size);
      at = 0;
    } else {
      this.used += size;
    }
    const idAt = writePublish(
      block,
      at,
      message,
      remaining,
      qos,
      retain,
      false,
      0,
      isV5,
      noExtras,
      nowMs,
    );
    const frame = new Frame(block.bytes.subarray(at, at + size), idAt < 0 ? -1 : idAt - at);
    this.frames[variant] = frame;
    this.isEmpty = false;
    return frame;
  }
}
