/**
 * Retained messages across faults: a keeper writes ever newer versions, and now and then deletes
 * one; whoever subscribes afterwards must get, for every topic, the last version that was
 * acknowledged or one that was sent since.
 */
import type { IPublishPacket } from 'mqtt-packet';
import { Ledger, type Stream } from './ledger.js';
import { Line } from './line.js';
import { payloadOf, readPayload } from './payload.js';
import type { Places } from './places.js';
import { Publisher, type PublisherOptions } from './publisher.js';

const topics = 40;
const filter = 'retained/#';
const fence = 'fence/retained';
const deletesEvery = 10;

export class RetainedCheck {
  readonly keeper: Publisher;
  /** Looks that were not cut off by the next fault. */
  looks = 0;
  /** Retained messages that came behind a newer one of their topic. */
  behind = 0;
  readonly lost: string[] = [];
  private readonly ledger = new Ledger();
  private readonly places: Places;
  private looking: Line | null = null;

  constructor(places: Places, onBreach: PublisherOptions['onBreach']) {
    this.places = places;
    for (let index = 0; index < topics; index++) {
      this.ledger.addStream('keeper', `retained/${index}`, index % 4 === 3 ? 2 : 1, true);
    }
    this.keeper = new Publisher({
      clientId: 'keeper',
      version: 5,
      places,
      onBreach,
      ledger: this.ledger,
      streams: this.ledger.streams,
      window: 8,
      isPaced: true,
      payload: ({ index }, number) =>
        isDeletion(number) ? Buffer.alloc(0) : payloadOf(index, number),
    });
  }

  get isIdle(): boolean {
    return this.looking === null;
  }

  /**
   * Begins to look, unless one look is still going on.
   *
   * @param port where; default: anywhere
   */
  look(port = this.places.next(null)): void {
    if (this.looking !== null) return;
    const found = new Map<number, number>();
    let known: number[] = [];
    const line = new Line(port, 4, {
      onOpen: () => line.send(connectPacket),
      onPacket: (packet) => {
        if (packet.cmd === 'connack') {
          known = this.ledger.streams.map(lastAcknowledged);
          const subscriptions = [fence, filter].map((topic) => ({ topic, qos: 1 as const }));
          line.send({ cmd: 'subscribe', messageId: 1, subscriptions });
        } else if (packet.cmd === 'suback') {
          const fencePacket = { cmd: 'publish', topic: fence, payload: '', dup: false } as const;
          line.send({ ...fencePacket, qos: 1, retain: false, messageId: 2 });
        } else if (packet.cmd === 'publish') {
          line.send({ cmd: 'puback', messageId: packet.messageId ?? 0 });
          if (packet.topic !== fence) this.note(packet, found);
          else this.judge(known, found, line, port);
        }
      },
      onClose: () => {
        this.looking = null;
      },
      onMalformed: (error) => this.lost.push(`malformed: ${error.message}`),
    });
    this.looking = line;
  }

  end(): void {
    this.looking?.destroy();
  }

  /**
   * What is published between SUBSCRIBE and SUBACK may come without RETAIN, and then no other time:
   * a broker among several answers when all of them know of the subscription. What it has retained
   * then may be older than what another one has just published: that is counted.
   */
  private note(packet: IPublishPacket, found: Map<number, number>): void {
    const index = Number(packet.topic.split('/')[1]);
    if (!packet.retain && packet.payload.length === 0) return;
    const content = readPayload(Buffer.from(packet.payload));
    const before = found.get(index) ?? -1;
    if (content?.streamIndex !== index) this.lost.push(`${packet.topic}: not what was sent`);
    else {
      found.set(index, Math.max(before, content.number));
      if (packet.retain && content.number < before) this.behind++;
    }
  }

  private judge(
    known: readonly number[],
    found: Map<number, number>,
    line: Line,
    port: number,
  ): void {
    this.looks++;
    const life = this.places.lifeOf(port);
    const where = life === '' ? '' : ` (broker ${life})`;
    for (const { index, topic, sent } of this.ledger.streams) {
      const version = found.get(index);
      const least = known[index];
      const isFine =
        version === undefined ? mayBeAbsent(least, sent) : version >= least && version < sent;
      if (isFine) continue;
      const what = `${version ?? 'absent'}, ${least} was acknowledged and ${sent - 1} sent`;
      this.lost.push(`${topic}: ${what}${where}`);
    }
    line.close();
  }
}

function isDeletion(number: number): boolean {
  return number % deletesEvery === deletesEvery - 1;
}

/** Number of the last acknowledged version; -1: none. */
function lastAcknowledged(stream: Stream): number {
  let number = stream.sent - 1;
  while (number >= 0 && !stream.isAcknowledged(number)) number--;
  return number;
}

/** One of the versions that the topic may have is none. */
function mayBeAbsent(least: number, sent: number): boolean {
  if (least < 0) return true;
  for (let number = least; number < sent; number++) if (isDeletion(number)) return true;
  return false;
}

const connectPacket = {
  cmd: 'connect',
  clientId: 'onlooker',
  protocolId: 'MQTT',
  protocolVersion: 4,
  clean: true,
  keepalive: 0,
} as const;
