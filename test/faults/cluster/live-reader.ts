/**
 * What one subscriber with a transient session got. Promised to it is only what a connection can
 * have, so each connection, its *life*, is judged by itself:
 *
 * - From SUBACK on (QoS 1 and 2) there are no holes: once a message of a stream has come, all
 *   before
 *   it have. What was on its way when the connection ended is nobody's loss.
 * - While the connection stands, what was acknowledged comes, soon.
 * - Nothing of QoS 0 or 2 comes twice in a life, and first deliveries are in order; of QoS 0 those
 *   of one connection of the publisher.
 */
import { type Anomaly, anomaliesMax, type StreamName } from '../ledger.js';

/** A stream as it concerns a reader; see `Stream`. */
export interface LiveStream extends StreamName {
  readonly sent: number;
  /** Messages of different lines have no order among each other. */
  lineOf(number: number): number;
  isAcknowledged(number: number): boolean;
}

/** What came of one stream in one life. */
class Track {
  /** From this number on all is due; infinite until SUBACK. */
  floor: number;
  /** First deliveries of what is due. */
  received = 0;
  readonly seen = new Set<number>();
  /** By line. */
  readonly highest = new Map<number, number>();

  constructor(floor: number) {
    this.floor = floor;
  }
}

interface Look {
  readonly atMs: number;
  /** What had been acknowledged then. */
  readonly last: ReadonlyMap<LiveStream, number>;
}

/** Longer than any pause of a broker that keeps its connections. */
const patienceMs = 60_000;

export class LiveReader {
  readonly name: string;
  readonly qos: 0 | 1 | 2;
  readonly anomalies: Anomaly[] = [];
  /** Connections with a SUBACK. */
  lives = 0;
  received = 0;
  lost = 0;
  repeatedQos1 = 0;
  /** And of QoS 0. */
  repeatedQos2 = 0;
  orderBroken = 0;
  unknown = 0;
  private readonly streams: () => readonly LiveStream[];
  private life: Map<LiveStream, Track> | null = null;
  private isSubscribed = false;
  private isLate = false;
  private watched: Look | null = null;

  /** @param streams all that its filters match, now */
  constructor(name: string, qos: 0 | 1 | 2, streams: () => readonly LiveStream[]) {
    this.name = name;
    this.qos = qos;
    this.streams = streams;
  }

  /** SUBACK came. */
  join(): void {
    this.lives++;
    this.isSubscribed = true;
    for (const stream of this.streams()) this.trackOf(stream).floor = stream.sent;
  }

  /** The connection is over, or so is the run. */
  end(nowMs: number): void {
    for (const [stream, track] of this.life ?? []) {
      if (this.owes(stream)) this.findHoles(stream, track, nowMs);
    }
    this.life = null;
    this.isSubscribed = false;
    this.watched = null;
    this.isLate = false;
  }

  onMessage(stream: LiveStream | undefined, number: number, nowMs: number): void {
    this.received++;
    if (stream === undefined || number >= stream.sent) {
      this.unknown++;
      this.note('unknown', null, number, nowMs);
      return;
    }
    const track = this.trackOf(stream);
    if (track.seen.has(number)) {
      this.onRepeated(stream, number, nowMs);
      return;
    }
    track.seen.add(number);
    if (number >= track.floor) track.received++;
    const line = stream.lineOf(number);
    const highest = track.highest.get(line) ?? -1;
    if (number > highest) {
      track.highest.set(line, number);
    } else if (stream.qos !== 1 || number >= track.floor) {
      // A QoS 1 message of before SUBACK may be one that its publisher repeats.
      this.orderBroken++;
      this.note('order', stream, number, nowMs);
    }
  }

  /** Called now and then: is what was acknowledged there after a while? */
  look(nowMs: number): void {
    if (!this.isSubscribed || this.qos === 0 || this.isLate) return;
    if (this.watched === null) {
      const owed = this.streams().filter((stream) => this.owes(stream));
      this.watched = { atMs: nowMs, last: new Map(owed.map((one) => [one, lastOf(one)])) };
      return;
    }
    const { atMs, last } = this.watched;
    for (const [stream, number] of last) {
      const { floor, highest } = this.trackOf(stream);
      if (number < floor || (highest.get(0) ?? -1) >= number) continue;
      if (nowMs - atMs < patienceMs) return;
      this.isLate = true;
      this.lost++;
      this.note('lost', stream, number, nowMs);
      return;
    }
    this.watched = null;
  }

  /** Messages that are due on the connection that stands, and did not come yet. */
  get behind(): number {
    if (!this.isSubscribed) return 0;
    let sum = 0;
    for (const stream of this.streams()) {
      if (!this.owes(stream)) continue;
      const { floor, received } = this.trackOf(stream);
      sum += Math.max(0, stream.sent - floor) - received;
    }
    return sum;
  }

  /** At the end of the run, when all has come that will: what the connection still owes is lost. */
  judge(nowMs: number): void {
    if (!this.isSubscribed) return;
    for (const stream of this.streams()) {
      const track = this.trackOf(stream);
      if (!this.owes(stream)) continue;
      const last = lastOf(stream);
      if (last > (track.highest.get(0) ?? -1)) track.highest.set(0, last);
    }
    this.end(nowMs);
  }

  private findHoles(stream: LiveStream, track: Track, nowMs: number): void {
    const highest = track.highest.get(0) ?? -1;
    for (let number = track.floor; number <= highest; number++) {
      if (track.seen.has(number)) continue;
      this.lost++;
      this.note('lost', stream, number, nowMs);
    }
  }

  /** At most once promises nothing. */
  private owes({ qos }: LiveStream): boolean {
    return qos > 0 && this.qos > 0;
  }

  private onRepeated(stream: LiveStream, number: number, nowMs: number): void {
    if (stream.qos === 1) {
      this.repeatedQos1++;
      return;
    }
    this.repeatedQos2++;
    this.note('repeated', stream, number, nowMs);
  }

  private note(
    kind: Anomaly['kind'],
    stream: StreamName | null,
    number: number,
    atMs: number,
  ): void {
    if (this.anomalies.length >= anomaliesMax) return;
    this.anomalies.push({
      kind,
      reader: `${this.name} (life ${this.lives})`,
      stream,
      number,
      atMs,
    });
  }

  private trackOf(stream: LiveStream): Track {
    this.life ??= new Map();
    let track = this.life.get(stream);
    if (track === undefined) {
      // Before SUBACK nothing is due; a stream that begins later is due from its first message.
      track = new Track(this.isSubscribed ? 0 : Number.POSITIVE_INFINITY);
      this.life.set(stream, track);
    }
    return track;
  }
}

/** Number of the last acknowledged message; -1: none. */
function lastOf(stream: LiveStream): number {
  let number = stream.sent - 1;
  while (number >= 0 && !stream.isAcknowledged(number)) number--;
  return number;
}
