/**
 * What the members of one shared subscription got, all together: of every acknowledged message
 * somebody got it, and nobody gets a QoS 2 message that somebody has had.
 *
 * One thing is not promised (docs/adr/0014-cluster.md): the member is the choice of the publisher's
 * broker, so a QoS 2 message that its publisher repeats through another broker, or through a new
 * life of the same one, may go to another member. Those are counted apart.
 *
 * With transient members among them a QoS 2 message may end with the session of the member that it
 * was meant for [MQTT-4.8.2-5]; then only QoS 1 must have come.
 */
import { type Anomaly, anomaliesMax, type Ledger, type Stream } from '../ledger.js';

export class Group {
  readonly name: string;
  readonly anomalies: Anomaly[] = [];
  received = 0;
  repeatedQos1 = 0;
  repeatedQos2 = 0;
  /** Through another broker. */
  repeatedElsewhere = 0;
  unknown = 0;
  readonly byMember = new Map<string, number>();
  private readonly ledger: Ledger;
  private readonly hasTransient: boolean;
  /** By stream: from this number on all is due; null: nobody has a SUBACK yet. */
  private floors: number[] | null = null;
  /** By stream, by number: who got it first, and when. */
  private readonly seen: Map<number, string>[];
  /** By stream: all that is due below has come. */
  private readonly lows: number[] = [];

  constructor(name: string, ledger: Ledger, hasTransient: boolean) {
    this.name = name;
    this.ledger = ledger;
    this.hasTransient = hasTransient;
    this.seen = ledger.streams.map(() => new Map());
  }

  /** A member that stays for good has its SUBACK: from now on somebody is always there. */
  join(): void {
    this.floors ??= this.ledger.streams.map(({ sent }) => sent);
  }

  /** @param place of the member, in words */
  onMessage(
    member: string,
    place: string,
    streamIndex: number,
    number: number,
    nowMs: number,
  ): void {
    this.received++;
    this.byMember.set(member, (this.byMember.get(member) ?? 0) + 1);
    const stream = this.ledger.streams[streamIndex];
    if (stream === undefined || number >= stream.sent) {
      this.unknown++;
      this.note('unknown', member, null, number, nowMs);
      return;
    }
    const seen = this.seen[streamIndex];
    const first = seen.get(number);
    if (first === undefined) seen.set(number, `${member} ${place} at ${Math.round(nowMs)} ms`);
    else if (stream.qos === 1) this.repeatedQos1++;
    else if (stream.wasSentElsewhere(number)) this.repeatedElsewhere++;
    else {
      this.repeatedQos2++;
      const sent = `, sent to ${stream.describeSends(number)}`;
      this.note('repeated', `${member} ${place} after ${first}${sent}`, stream, number, nowMs);
    }
  }

  /** Acknowledged messages that are due and did not come to anybody. */
  get behind(): number {
    let sum = 0;
    for (const stream of this.ledger.streams) for (const _ of this.missingOf(stream)) sum++;
    return sum;
  }

  /** As `behind`, when no more will come: those kept as anomalies are told to `onLost`. */
  lost(onLost: (anomaly: Anomaly) => void): number {
    let lost = 0;
    for (const stream of this.ledger.streams) {
      for (const number of this.missingOf(stream)) {
        lost++;
        const atMs = stream.acknowledgedAtMs[number];
        if (lost <= anomaliesMax) onLost({ kind: 'lost', reader: this.name, stream, number, atMs });
      }
    }
    return lost;
  }

  private *missingOf(stream: Stream): Generator<number> {
    const { floors } = this;
    if (floors === null || (this.hasTransient && stream.qos === 2)) return;
    const seen = this.seen[stream.index];
    let low = this.lows[stream.index] ?? floors[stream.index];
    while (seen.has(low)) low++;
    this.lows[stream.index] = low;
    for (let number = low; number < stream.sent; number++) {
      if (stream.isAcknowledged(number) && !seen.has(number)) yield number;
    }
  }

  private note(
    kind: Anomaly['kind'],
    member: string,
    stream: Stream | null,
    number: number,
    atMs: number,
  ): void {
    if (this.anomalies.length >= anomaliesMax) return;
    this.anomalies.push({ kind, reader: `${this.name}, ${member}`, stream, number, atMs });
  }
}
