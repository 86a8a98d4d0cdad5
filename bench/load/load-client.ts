/**
 * One MQTT client of the generator. Hot path of the generator.
 *
 * Incoming bytes are scanned by hand in a read buffer that all clients share; the acknowledgements
 * of one read go out in one write.
 */
import { connect, type Socket } from 'node:net';
import { AckClock } from './ack-clock.js';
import type { LatencyHistogram } from './latency-histogram.js';
import { LoadError } from './load-error.js';
import type { LoadOptions } from './options.js';
import {
  encodeConnect,
  encodeSubscribe,
  nowUs,
  PublishBlock,
  readStamp,
  STAMP_BYTES,
} from './packets.js';
import { createSender, type Sender } from './sender.js';

/** Read at once at most: what a broker may have sent in a turn, and small enough for the cache. */
const READ_BYTES = 128 * 1024;
/** Connecting, and subscribing, take no longer, or the run fails. */
const HANDSHAKE_MS = 10_000;

/** What all clients of a run share. */
export interface Run {
  readonly options: LoadOptions;
  readonly latencies: LatencyHistogram;
  /** From when a message was due to its PUBACK. */
  readonly ackLatencies: LatencyHistogram;
  readonly buffers: SharedBuffers;
  /** Deliveries received. */
  received: number;
  /** Deliveries received while measuring. */
  measured: number;
  /** Deliveries with DUP set. */
  duplicates: number;
  isMeasuring: boolean;
  /** What was due from here to `measuredToUs` is measured, also when its PUBACK comes later. */
  measuredFromUs: number;
  measuredToUs: number;
  /** True: the run is over, and closing connections are no failure. */
  isOver: boolean;
  /** Called after each read. */
  onProgress: () => void;
  onFailure: (error: LoadError) => void;
}

/**
 *   |------ headroom ------|------ READ_BYTES ------|
 *        [rest of last read][new bytes        ]
 */
export class SharedBuffers {
  readonly headroom: number;
  readonly whole: Buffer;
  readonly readArea: Buffer;
  acks: Buffer;

  constructor(options: LoadOptions) {
    this.headroom = options.payloadBytes + 64 * 1024;
    this.whole = Buffer.alloc(this.headroom + READ_BYTES);
    this.readArea = this.whole.subarray(this.headroom);
    this.acks = Buffer.alloc(this.whole.length);
  }
}

export class LoadClient {
  readonly index: number;
  readonly isPublisher: boolean;
  /** Publishes with QoS > 0 that are not acknowledged. */
  inflight = 0;
  nextDueUs = 0;
  private readonly run: Run;
  private readonly block: PublishBlock | null;
  /** Null: PUBACKs are not timed. */
  private readonly ackClock: AckClock | null;
  private socket: Socket | null = null;
  private sender: Sender | null = null;
  private lastPacketId = 0;
  private rest: Buffer = Buffer.alloc(0);
  private restBytes = 0;
  private ackBytes = 0;
  private isClosing = false;
  /** Resolves the handshake step under way. */
  private onStep: (() => void) | null = null;

  constructor(run: Run, index: number, isPublisher: boolean) {
    this.run = run;
    this.index = index;
    this.isPublisher = isPublisher;
    this.block =
      isPublisher && !run.options.isIdle ? new PublishBlock(run.options, this.topic) : null;
    this.ackClock = isPublisher && run.options.measuresAcks ? new AckClock() : null;
  }

  private get topic(): string {
    const { topicPrefix, topics } = this.run.options;
    return `${topicPrefix}/${this.index % topics}`;
  }

  private get port(): number {
    const { ports, subscriberPorts } = this.run.options;
    const all = this.isPublisher ? ports : subscriberPorts;
    return all[this.index % all.length];
  }

  /** Resolves at CONNACK. */
  async connect(sourceAddress: string | null): Promise<void> {
    const { options, buffers } = this.run;
    const socket = connect({
      host: options.host,
      port: this.port,
      noDelay: true,
      ...(sourceAddress === null ? {} : { localAddress: sourceAddress }),
      onread: {
        buffer: buffers.readArea,
        callback: (length) => {
          this.onRead(length);
          return true;
        },
      },
    });
    this.socket = socket;
    const role = this.isPublisher ? 'p' : 's';
    const isDurable = options.isPersistent && !this.isPublisher;
    const run = options.isPersistent ? options.topicPrefix : process.pid;
    const clientId = `load-${role}-${this.index}-${run}`;
    socket.on('error', (error) => this.fail(error.message));
    socket.on('close', () => this.fail('closed by broker'));
    await this.step('CONNACK', () => {
      socket.once('connect', () => {
        this.sender = createSender(socket, this.run.onFailure);
        this.sender.send(encodeConnect(options, clientId, isDurable));
      });
    });
  }

  /** Resolves at SUBACK. */
  async subscribe(): Promise<void> {
    const frame = encodeSubscribe(this.run.options, this.run.options.filter ?? this.topic);
    await this.step('SUBACK', () => void this.sender!.send(frame));
  }

  /** Bytes that were written have not all left. */
  get isBlocked(): boolean {
    return this.sender!.pending > 0;
  }

  /** Messages that one `publish` may send. */
  get burstMax(): number {
    return this.block!.frames;
  }

  /**
   * Sends `count` ≤ `burstMax` messages in one write.
   *
   * @param dueUs when the first of them was due; each further one `intervalUs` later
   */
  publish(count: number, stampUs: number, dueUs = stampUs, intervalUs = 0): void {
    const block = this.block!;
    if (this.ackClock !== null) {
      for (let i = 0; i < count; i++) this.ackClock.sent(dueUs + i * intervalUs);
    }
    this.lastPacketId = block.patch(count, this.lastPacketId, stampUs);
    if (this.run.options.publishQos > 0) this.inflight += count;
    this.sender!.send(block.bytes.subarray(0, count * block.frameBytes));
  }

  close(): void {
    this.isClosing = true;
    this.socket?.destroy();
  }

  private step(awaited: string, start: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new LoadError(`no ${awaited} within ${HANDSHAKE_MS / 1000} s`));
      }, HANDSHAKE_MS);
      this.onStep = () => {
        clearTimeout(timer);
        this.onStep = null;
        resolve();
      };
      start();
    });
  }

  private fail(detail: string): void {
    if (!this.run.isOver && !this.isClosing) this.run.onFailure(new LoadError(detail));
  }

  private onRead(length: number): void {
    const { headroom, whole } = this.run.buffers;
    let at = headroom;
    if (this.restBytes > 0) {
      at -= this.restBytes;
      this.rest.copy(whole, at, 0, this.restBytes);
    }
    const end = headroom + length;
    const stopped = this.scan(whole, at, end);
    this.keepRest(whole, stopped, end);
    if (this.ackBytes > 0) this.sendAcks();
    this.run.onProgress();
  }

  /** Takes the whole packets of `bytes[at..end)`; returns where the first other one starts. */
  private scan(bytes: Buffer, at: number, end: number): number {
    const run = this.run;
    const now = run.isMeasuring || this.ackClock !== null ? nowUs() : 0;
    while (end - at >= 2) {
      const header = bytes[at];
      let body = at + 1;
      let length = 0;
      let shift = 0;
      let byte = 0x80;
      while (byte > 0x7f && body < end && shift < 28) {
        byte = bytes[body++];
        length |= (byte & 0x7f) << shift;
        shift += 7;
      }
      const next = body + length;
      if (byte > 0x7f || next > end) break;
      if (header >>> 4 === 3) this.onPublish(header, bytes, body, next, now);
      else if (header === 0x40 && this.ackClock !== null) this.onTimedAck(this.ackClock, now);
      else this.onControl(header >>> 4, bytes, body, next);
      at = next;
    }
    return at;
  }

  private onPublish(header: number, bytes: Buffer, body: number, next: number, now: number): void {
    const run = this.run;
    const qos = (header >>> 1) & 3;
    let at = body + 2 + ((bytes[body] << 8) | bytes[body + 1]);
    if (qos > 0) {
      this.ack(qos === 1 ? 0x40 : 0x50, bytes[at], bytes[at + 1]);
      at += 2;
    }
    run.received++;
    if ((header & 8) !== 0) run.duplicates++;
    if (!run.isMeasuring) return;
    run.measured++;
    if (run.options.protocolLevel === 5) at = skipProperties(bytes, at);
    if (next - at >= STAMP_BYTES) run.latencies.add((now - readStamp(bytes, at)) >>> 0);
  }

  private onTimedAck(clock: AckClock, now: number): void {
    this.inflight--;
    const dueUs = clock.acknowledged();
    const { run } = this;
    if (dueUs < run.measuredFromUs || dueUs >= run.measuredToUs) return;
    run.ackLatencies.add(Math.max(0, Math.round(now - dueUs)));
  }

  private onControl(type: number, bytes: Buffer, body: number, next: number): void {
    if (type === 4 || type === 7) this.inflight--;
    else if (type === 5) this.ack(0x62, bytes[body], bytes[body + 1]);
    else if (type === 6) this.ack(0x70, bytes[body], bytes[body + 1]);
    else if (type === 2 && bytes[body + 1] === 0) this.onStep?.();
    else if (type === 2) this.fail(`CONNACK with code ${bytes[body + 1]}`);
    else if (type === 9 && bytes[next - 1] <= 2) this.onStep?.();
    else if (type === 9) this.fail(`SUBACK with code ${bytes[next - 1]}`);
    else if (type === 14) this.fail(`DISCONNECT with code ${next > body ? bytes[body] : 0}`);
  }

  private ack(header: number, high: number, low: number): void {
    const acks = this.run.buffers.acks;
    let at = this.ackBytes;
    acks[at++] = header;
    acks[at++] = 2;
    acks[at++] = high;
    acks[at++] = low;
    this.ackBytes = at;
  }

  private sendAcks(): void {
    const buffers = this.run.buffers;
    const isFree = this.sender!.send(buffers.acks.subarray(0, this.ackBytes));
    this.ackBytes = 0;
    // The write under way owns the bytes now, so the next client gets others.
    if (!isFree) buffers.acks = Buffer.alloc(buffers.whole.length);
  }

  private keepRest(bytes: Buffer, from: number, end: number): void {
    this.restBytes = end - from;
    if (this.restBytes === 0) return;
    if (this.restBytes > this.run.buffers.headroom) {
      this.fail('got a packet larger than this run makes: are there messages of an earlier one?');
      this.restBytes = 0;
      return;
    }
    if (this.restBytes > this.rest.length) this.rest = Buffer.alloc(this.restBytes * 2);
    bytes.copy(this.rest, 0, from, end);
  }
}

function skipProperties(bytes: Buffer, at: number): number {
  let length = 0;
  let shift = 0;
  let byte = 0;
  do {
    byte = bytes[at++];
    length |= (byte & 0x7f) << shift;
    shift += 7;
  } while (byte > 0x7f);
  return at + length;
}
