/** A publisher at QoS 0: what it sends is sent once, on whatever connection there is. */
import { Client, type ClientOptions } from '../client.js';
import { payloadOf } from '../payload.js';
import type { LiveStream } from './live-reader.js';

export class QuickStream implements LiveStream {
  readonly publisher: string;
  readonly topic: string;
  readonly qos = 0;
  sent = 0;
  /** By number: the connection that it was sent on. */
  private readonly lines: number[] = [];

  constructor(publisher: string, topic: string) {
    this.publisher = publisher;
    this.topic = topic;
  }

  take(line: number): number {
    this.lines.push(line);
    return this.sent++;
  }

  lineOf(number: number): number {
    return this.lines[number];
  }

  isAcknowledged(): boolean {
    return false;
  }
}

export class QuickPublisher extends Client {
  isPublishing = true;
  private readonly streams: readonly QuickStream[];
  private readonly first: number;

  /** @param first index of its first stream, for the payload */
  constructor(options: ClientOptions, streams: readonly QuickStream[], first: number) {
    super(options);
    this.streams = streams;
    this.first = first;
  }

  /** Sends one message of each stream. */
  tick(): void {
    if (!this.isConnected || !this.isPublishing) return;
    for (const [at, stream] of this.streams.entries()) {
      const payload = payloadOf(this.first + at, stream.take(this.connects));
      const { topic } = stream;
      this.send({ cmd: 'publish', topic, qos: 0, retain: false, dup: false, payload });
    }
  }

  protected override onConnected(): void {
    // Nothing is left of the connection before.
  }

  protected override onPacket({ cmd }: { readonly cmd: string }): void {
    this.breach(`${cmd} for a publisher of QoS 0`);
  }

  protected override onLost(): void {
    // What was on its way is lost, or not.
  }
}
