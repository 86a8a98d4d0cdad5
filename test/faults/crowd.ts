/**
 * Everybody who talks to the broker: publishers and subscribers of numbered messages, clients with
 * wills, and the keeper of retained messages; what they saw is in the ledger.
 */
import type { Client } from './client.js';
import { Ledger } from './ledger.js';
import { Mourners, unwantedWill, willFilter } from './mourners.js';
import { readPayload } from './payload.js';
import type { Places } from './places.js';
import { Publisher } from './publisher.js';
import { RetainedCheck } from './retained-check.js';
import type { Draws } from './schedule.js';
import { Subscriber } from './subscriber.js';

export interface CrowdOptions {
  /** Messages in flight of each publisher; default: up to 100. */
  readonly windows?: readonly number[];
  /** Publishers send so many 50 times a second at most, not as fast as they can. */
  readonly isPaced?: boolean;
  readonly places: Places;
  readonly publishers: number;
  readonly subscribers: number;
}

const filter = 'load/#';
const topicsEach = 2;
const usualWindows = [40, 8, 100, 20];
const tickMs = 20;
const breachesMax = 50;
/** Far beyond the longest absence. */
const unwantedWillDelay = 3_000;

export class Crowd {
  readonly ledger = new Ledger();
  readonly publishers: Publisher[] = [];
  readonly subscribers: Subscriber[] = [];
  readonly mourners: Mourners;
  readonly retained: RetainedCheck;
  /** What a correct broker never does, in words. */
  readonly breaches: string[] = [];
  protected readonly options: CrowdOptions;
  protected readonly onBreach = (what: string): void => {
    if (this.breaches.length < breachesMax) this.breaches.push(what);
  };
  private ticker: NodeJS.Timeout | null = null;

  constructor(options: CrowdOptions) {
    this.options = options;
    const { places } = options;
    this.mourners = new Mourners(places);
    this.retained = new RetainedCheck(places, this.onBreach);
    for (let index = 0; index < options.publishers; index++) this.addPublisher(index);
    for (let index = 0; index < options.subscribers; index++) this.addSubscriber();
    this.addWillSubscriber();
  }

  /** All clients with sessions. */
  get clients(): Client[] {
    return [...this.publishers, ...this.subscribers, this.retained.keeper];
  }

  /** All that get messages. */
  get readers(): Subscriber[] {
    return this.subscribers;
  }

  get isSubscribed(): boolean {
    return this.subscribers.every(({ isSubscribed }) => isSubscribed);
  }

  /** Everybody's session is there: nothing that is lost from now on is allowed to be. */
  startSubscribers(): void {
    for (const subscriber of this.subscribers) subscriber.start();
  }

  startPublishers(): void {
    for (const publisher of [...this.publishers, this.retained.keeper]) publisher.start();
    this.ticker = setInterval(() => this.tick(), tickMs);
  }

  /** One subscriber more, in the middle of it all: from its SUBACK on it misses nothing. */
  addSubscriber(): Subscriber {
    const number = this.subscribers.length;
    const qos = number % 2 === 0 ? 2 : 1;
    const reader = this.ledger.addReader(`subscriber-${number}`, qos);
    const subscriber = new Subscriber({
      clientId: reader.name,
      version: number % 4 < 2 ? 5 : 4,
      places: this.options.places,
      onBreach: this.onBreach,
      filters: [filter],
      qos,
      ...(number % 4 === 1 ? { receiveMaximum: 25 } : {}),
      onSubscribed: () => reader.join(),
      onMessage: ({ payload, qos: deliveredQos }) => {
        const content = readPayload(Buffer.from(payload));
        const { streamIndex = -1, number: sequence = -1 } = content ?? {};
        reader.onMessage(streamIndex, sequence, this.ledger.nowMs);
        const stream = this.ledger.streams[streamIndex];
        if (stream !== undefined && deliveredQos !== Math.min(stream.qos, qos)) {
          this.onBreach(`${reader.name}: QoS ${deliveredQos} on ${stream.topic}`);
        }
      },
    });
    this.subscribers.push(subscriber);
    return subscriber;
  }

  /** The clients that a fault hits: a share of all, at least one. */
  hitBy({ pick, share }: Draws): Client[] {
    const { clients } = this;
    const count = Math.max(1, Math.round((clients.length * share) / 100));
    return Array.from({ length: count }, (_, index) => clients[(pick + index) % clients.length]);
  }

  /** A subscriber, the only one that a fault hits. */
  oneOf({ pick }: Draws): Subscriber {
    return this.subscribers[pick % this.subscribers.length];
  }

  stopPublishing(): void {
    for (const publisher of [...this.publishers, this.retained.keeper]) {
      publisher.isPublishing = false;
    }
    this.mourners.end();
  }

  /** What is still to come, in words; empty: all is there. */
  get outstanding(): string {
    const all = [...this.publishers, this.retained.keeper];
    const inflight = all.reduce((sum, publisher) => sum + publisher.inflight, 0);
    const behind = this.ledger.readers.reduce((sum, reader) => sum + reader.behind, 0);
    const { missing } = this.mourners;
    if (inflight + behind + missing === 0) return '';
    const waiting = all.flatMap((one) => one.waiting ?? []).join('; ');
    const unacknowledged = `${inflight} unacknowledged${waiting === '' ? '' : ` (${waiting})`}`;
    return `${unacknowledged}, ${behind} not delivered, ${missing} wills not published`;
  }

  /** Changes whenever anything comes in. */
  get progress(): number {
    const packets = this.readers.reduce((sum, subscriber) => sum + subscriber.packets, 0);
    return packets + this.ledger.acknowledged(1) + this.ledger.acknowledged(2);
  }

  get sessionsLost(): number {
    return this.clients.reduce((sum, { sessionsLost }) => sum + sessionsLost, 0);
  }

  /** DISCONNECT from everybody: publishers take their wills back. */
  leave(): void {
    if (this.ticker !== null) clearInterval(this.ticker);
    this.retained.end();
    this.mourners.end();
    for (const client of this.clients) client.leave();
  }

  protected tick(): void {
    for (const publisher of this.publishers) publisher.tick();
    this.retained.keeper.tick();
  }

  private addPublisher(index: number): void {
    const clientId = `publisher-${index}`;
    const streams = Array.from({ length: topicsEach * 2 }, (_, number) =>
      this.ledger.addStream(
        clientId,
        `load/${index}/${number % topicsEach}`,
        number < topicsEach ? 1 : 2,
      ),
    );
    const { isPaced = false, places, windows = usualWindows } = this.options;
    const isV5 = index % 2 === 0;
    const will = {
      topic: unwantedWill,
      payload: Buffer.from(unwantedWill),
      qos: 1 as const,
      properties: { willDelayInterval: unwantedWillDelay },
    };
    this.publishers.push(
      new Publisher({
        clientId,
        version: isV5 ? 5 : 4,
        places,
        isPaced,
        onBreach: this.onBreach,
        ...(isV5 ? { will } : {}),
        ledger: this.ledger,
        streams,
        window: windows[index % windows.length],
      }),
    );
  }

  private addWillSubscriber(): void {
    this.subscribers.push(
      new Subscriber({
        clientId: 'heir',
        version: 5,
        places: this.options.places,
        onBreach: this.onBreach,
        filters: [willFilter],
        qos: 2,
        onSubscribed: () => undefined,
        onMessage: ({ payload }) => this.mourners.onWill(Buffer.from(payload)),
      }),
    );
  }
}
