/**
 * Encodes what a turn changes as the operations of the journal. Hot path.
 *
 *     put        u8 1 · u32 bytes of the value · session key (11) · value
 *     remove     u8 2 · u32 0 · session key
 *     entry      u8 3 · u32 bytes of the value · u48 number · u48 first seq · value
 *     retain     u8 4 · u32 bytes of the value · u16 bytes of the topic · topic · value
 *     unretain   u8 5 · u32 0 · u16 bytes of the topic · topic
 *     end        u8 6 · u32 0 · u48 number         the session and all that it has
 *
 * Each says what is, not what changes, so operations may be repeated from any point on and come
 * to the same.
 *
 * Bytes are written once, into slabs, and are not moved again: what is in memory of a queue until
 * it is in the database are views of them. A slab is freed when nobody needs any part of it.
 */
import { FRAME_HEADER_BYTES, sealFrame } from './frame.js';
import { RECORD_KEY_BYTES } from './keys.js';
import { SIX, writeSix } from './numbers.js';

export const Operation = {
  Put: 1,
  Remove: 2,
  Entry: 3,
  Retain: 4,
  Unretain: 5,
  End: 6,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

export const OPERATION_HEADER_BYTES = 5;
const SLAB_BYTES = 1024 * 1024;
/** What is left of a slab is not worth a frame's header. */
const REST_MIN = 4 * 1024;

export class TurnWriter {
  /** Where the last `begin…` has its value: `buffer`, from `valueAt` on. */
  buffer: Buffer = Buffer.alloc(0);
  valueAt = 0;
  private at = 0;
  /** Of the open frame; -1: none is open. */
  private frameAt = -1;
  private frames: Buffer[] = [];
  private framesBytes = 0;

  /** Bytes written since the last `seal`. */
  get length(): number {
    return this.framesBytes + (this.frameAt < 0 ? 0 : this.at - this.frameAt);
  }

  /** A session's record, whose `bytes` the caller writes at `valueAt`. */
  beginPut(key: string, bytes: number): void {
    this.begin(Operation.Put, RECORD_KEY_BYTES, bytes);
    this.valueAt -= bytes;
    this.buffer.write(key, this.valueAt - RECORD_KEY_BYTES, 'latin1');
  }

  /** Returns the value as it is in the journal. */
  put(key: string, value: Buffer): Buffer {
    this.beginPut(key, value.length);
    return this.fill(value);
  }

  remove(key: string): void {
    this.begin(Operation.Remove, RECORD_KEY_BYTES, 0);
    this.buffer.write(key, this.valueAt - RECORD_KEY_BYTES, 'latin1');
  }

  /** An entry of a queue, whose `bytes` the caller writes at `valueAt`. */
  beginEntry(number: number, firstSeq: number, bytes: number): void {
    this.begin(Operation.Entry, 2 * SIX, bytes);
    this.valueAt -= bytes;
    writeSix(this.buffer, firstSeq, writeSix(this.buffer, number, this.valueAt - 2 * SIX));
  }

  retain(topic: Buffer, record: Buffer): Buffer {
    this.begin(Operation.Retain, 2 + topic.length, record.length);
    this.valueAt -= record.length;
    this.writeTopic(topic);
    return this.fill(record);
  }

  unretain(topic: Buffer): void {
    this.begin(Operation.Unretain, 2 + topic.length, 0);
    this.writeTopic(topic);
  }

  end(number: number): void {
    this.begin(Operation.End, SIX, 0);
    writeSix(this.buffer, number, this.valueAt - SIX);
  }

  /** The turn's frames, for one segment; what is written after it is of the next turn. */
  seal(segment: number): Buffer[] {
    this.closeFrame();
    const { frames } = this;
    frames.forEach((frame, index) => {
      sealFrame(frame, segment, index === frames.length - 1);
    });
    this.frames = [];
    this.framesBytes = 0;
    return frames;
  }

  /** Leaves `valueAt` at the end of the operation. */
  private begin(operation: Operation, keyBytes: number, valueBytes: number): void {
    const bytes = OPERATION_HEADER_BYTES + keyBytes + valueBytes;
    if (this.frameAt < 0 || this.at + bytes > this.buffer.length) this.openFrame(bytes);
    this.buffer[this.at] = operation;
    this.buffer.writeUInt32BE(valueBytes, this.at + 1);
    this.at += bytes;
    this.valueAt = this.at;
  }

  private openFrame(bytes: number): void {
    this.closeFrame();
    const needed = FRAME_HEADER_BYTES + bytes;
    if (this.at + Math.max(needed, REST_MIN) > this.buffer.length) {
      this.buffer = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, needed));
      this.at = 0;
    }
    this.frameAt = this.at;
    this.at += FRAME_HEADER_BYTES;
  }

  private closeFrame(): void {
    if (this.frameAt < 0) return;
    this.frames.push(this.buffer.subarray(this.frameAt, this.at));
    this.framesBytes += this.at - this.frameAt;
    this.frameAt = -1;
  }

  private fill(value: Buffer): Buffer {
    value.copy(this.buffer, this.valueAt);
    return this.buffer.subarray(this.valueAt, this.valueAt + value.length);
  }

  private writeTopic(topic: Buffer): void {
    const at = this.valueAt - topic.length;
    this.buffer.writeUInt16BE(topic.length, at - 2);
    topic.copy(this.buffer, at);
  }
}
