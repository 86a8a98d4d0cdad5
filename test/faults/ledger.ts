/**
 * The checker: what every publisher sent and was acknowledged, held against what every subscriber
 * got. Nothing here knows of connections; a subscriber reports what its application sees.
 */

/** What one publisher sends to one topic at one QoS: messages numbered from 0, in order. */
export class Stream {
  readonly index: number;
  readonly publisher: string;
  readonly topic: string;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  /** Number of the next message. */
  sent = 0;
  acknowledged = 0;
  /** By number: milliseconds since the start of the run; NaN: not acknowledged. */
  readonly acknowledgedAtMs: number[] = [];
  /** By number: the life of the broker that it was sent to first. */
  private readonly firstLives: string[] = [];
  private readonly elsewhere = new Set<number>();
  /** By number: the lives that it was sent to again. */
  private readonly again = new Map<number, string[]>();

  constructor(index: number, publisher: string, topic: string, qos: 1 | 2, retain: boolean) {
    this.index = index;
    this.publisher = publisher;
    this.topic = topic;
    this.qos = qos;
    this.retain = retain;
  }

  /** Number of the message that is sent now. */
  take(): number {
    this.acknowledgedAtMs.push(Number.NaN);
    return this.sent++;
  }

  /** All of them have one order. */
  lineOf(): number {
    return 0;
  }

  /** It goes out, perhaps again, to that life of a broker. */
  onSent(number: number, life: string): void {
    const first = this.firstLives[number];
    if (first === undefined) {
      this.firstLives[number] = life;
      return;
    }
    if (first !== life) this.elsewhere.add(number);
    const again = this.again.get(number);
    if (again === undefined) this.again.set(number, [life]);
    else again.push(life);
  }

  /** The lives of brokers that it was sent to, in words. */
  describeSends(number: number): string {
    return [this.firstLives[number], ...(this.again.get(number) ?? [])].join(' and ');
  }

  /** Its publisher has sent it to one broker, and again to another one, or to a new life of it. */
  wasSentElsewhere(number: number): boolean {
    return this.elsewhere.has(number);
  }

  acknowledge(number: number, nowMs: number): void {
    if (this.isAcknowledged(number)) return;
    this.acknowledged++;
    this.acknowledgedAtMs[number] = nowMs;
  }

  isAcknowledged(number: number): boolean {
    return !Number.isNaN(this.acknowledgedAtMs[number]);
  }
}

/** What a finding says about a stream. */
export interface StreamName {
  readonly publisher: string;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
}

export interface Anomaly {
  readonly kind: 'lost' | 'repeated' | 'order' | 'unknown';
  readonly reader: string;
  readonly stream: StreamName | null;
  readonly number: number;
  /** When it was acknowledged (lost), or came; milliseconds since the start of the run. */
  readonly atMs: number;
}

/** Those beyond are counted, not kept. */
export const anomaliesMax = 50;
const seenStart = 1_024;

/** What one subscriber with a filter for all streams of a ledger got. */
export class Reader {
  readonly name: string;
  readonly qos: 1 | 2;
  received = 0;
  repeatedQos1 = 0;
  repeatedQos2 = 0;
  orderBroken = 0;
  unknown = 0;
  readonly anomalies: Anomaly[] = [];
  /** By stream: from this number on every acknowledged message is due. */
  private floors: number[] = [];
  private hasJoined = false;
  /** By stream and number: 1 when it came. */
  private readonly seen: Uint8Array[] = [];
  /** By stream: highest number that came; -1: none did. */
  private readonly highest: number[] = [];
  /** First deliveries of messages that are due. */
  private receivedDue = 0;
  private readonly ledger: Ledger;

  constructor(ledger: Ledger, name: string, qos: 1 | 2) {
    this.ledger = ledger;
    this.name = name;
    this.qos = qos;
  }

  /** SUBACK came: whatever is published from now on is due. */
  join(): void {
    if (this.hasJoined) return;
    this.hasJoined = true;
    this.floors = this.ledger.streams.map(({ sent }) => sent);
    this.receivedDue = 0;
  }

  /** Messages that were sent and are due, and did not come yet. */
  get behind(): number {
    if (!this.hasJoined) return 0;
    const due = this.ledger.streams.reduce(
      (sum, { index, sent }) => sum + sent - this.floor(index),
      0,
    );
    return due - this.receivedDue;
  }

  onMessage(streamIndex: number, number: number, nowMs: number): void {
    this.received++;
    const stream = this.ledger.streams[streamIndex];
    if (stream === undefined || number >= stream.sent) {
      this.unknown++;
      this.note('unknown', null, number, nowMs);
      return;
    }
    const seen = this.seenOf(streamIndex, number);
    if (seen[number] === 1) {
      this.onRepeated(stream, number, nowMs);
      return;
    }
    seen[number] = 1;
    if (this.hasJoined && number >= this.floor(streamIndex)) this.receivedDue++;
    const highest = this.highest[streamIndex] ?? -1;
    if (number >= highest) {
      this.highest[streamIndex] = number;
    } else if (!this.mayBeLate(stream, number)) {
      this.orderBroken++;
      this.note('order', stream, number, nowMs);
    }
  }

  /**
   * A QoS 1 message of before SUBACK that its publisher repeats: the broker had it when there was
   * no subscription yet, and later ones when there was. QoS 2 knows no such repeat.
   */
  private mayBeLate({ index, qos }: Stream, number: number): boolean {
    return qos === 1 && (!this.hasJoined || number < this.floor(index));
  }

  /** Acknowledged messages that never came; those kept as anomalies are told to `onLost`. */
  lost(onLost: (anomaly: Anomaly) => void): number {
    let lost = 0;
    if (!this.hasJoined) return 0;
    for (const stream of this.ledger.streams) {
      for (let number = this.floor(stream.index); number < stream.sent; number++) {
        if (!stream.isAcknowledged(number) || this.seen[stream.index]?.[number] === 1) continue;
        lost++;
        const atMs = stream.acknowledgedAtMs[number];
        if (lost <= anomaliesMax) onLost({ kind: 'lost', reader: this.name, stream, number, atMs });
      }
    }
    return lost;
  }

  private onRepeated(stream: Stream, number: number, nowMs: number): void {
    if (stream.qos === 2 && this.qos === 2) {
      this.repeatedQos2++;
      this.note('repeated', stream, number, nowMs);
    } else {
      this.repeatedQos1++;
    }
  }

  private note(kind: Anomaly['kind'], stream: Stream | null, number: number, atMs: number): void {
    if (this.anomalies.length >= anomaliesMax) return;
    this.anomalies.push({ kind, reader: this.name, stream, number, atMs });
  }

  private floor(streamIndex: number): number {
    return this.floors[streamIndex] ?? 0;
  }

  private seenOf(streamIndex: number, number: number): Uint8Array {
    let seen = this.seen[streamIndex] ?? new Uint8Array(seenStart);
    if (number >= seen.length) {
      const larger = new Uint8Array(Math.max(seen.length * 2, number + 1));
      larger.set(seen);
      seen = larger;
    }
    this.seen[streamIndex] = seen;
    return seen;
  }
}

export class Ledger {
  readonly streams: Stream[] = [];
  readonly readers: Reader[] = [];
  /** Hears of every acknowledgement. */
  onAcknowledged: (nowMs: number) => void = () => undefined;
  readonly startMs = performance.now();

  get nowMs(): number {
    return performance.now() - this.startMs;
  }

  addStream(publisher: string, topic: string, qos: 1 | 2, retain = false): Stream {
    const stream = new Stream(this.streams.length, publisher, topic, qos, retain);
    this.streams.push(stream);
    return stream;
  }

  addReader(name: string, qos: 1 | 2): Reader {
    const reader = new Reader(this, name, qos);
    this.readers.push(reader);
    return reader;
  }

  acknowledge(stream: Stream, number: number): void {
    const { nowMs } = this;
    stream.acknowledge(number, nowMs);
    this.onAcknowledged(nowMs);
  }

  acknowledged(qos: 1 | 2): number {
    return this.total((stream) => (stream.qos === qos ? stream.acknowledged : 0));
  }

  get sent(): number {
    return this.total(({ sent }) => sent);
  }

  /** How far the slowest reader is behind. */
  get backlog(): number {
    return this.readers.reduce((most, { behind }) => Math.max(most, behind), 0);
  }

  private total(of: (stream: Stream) => number): number {
    return this.streams.reduce((sum, stream) => sum + of(stream), 0);
  }
}
