/**
 * Everybody who talks to the brokers of a cluster: the crowd that one broker has, connected
 * anywhere, and besides subscribers with transient sessions, the members of two shared
 * subscriptions with publishers of their own, and a publisher at QoS 0.
 */
import type { IPublishPacket } from 'mqtt-packet';
import type { Client } from '../client.js';
import { Crowd, type CrowdOptions } from '../crowd.js';
import { Ledger } from '../ledger.js';
import { readPayload } from '../payload.js';
import { Publisher } from '../publisher.js';
import { Subscriber } from '../subscriber.js';
import { Group } from './group.js';
import { LiveReader, type LiveStream } from './live-reader.js';
import { QuickPublisher, QuickStream } from './quick.js';

export interface ClusterCrowdOptions extends CrowdOptions {
  /** Members of each of the shared subscriptions, at least two. */
  readonly members: number;
  readonly transients: number;
}

const sharedPublishers = 2;
const sharedWindow = 6;
const lookEveryMs = 1_000;

export class ClusterCrowd extends Crowd {
  readonly shared = new Ledger();
  readonly groups: Group[] = [];
  readonly live: LiveReader[] = [];
  private readonly members: Subscriber[] = [];
  private readonly transients: Subscriber[] = [];
  private readonly sharers: Publisher[] = [];
  private readonly quick: QuickPublisher;
  private readonly quickStreams: QuickStream[];
  private lookedMs = 0;

  constructor(options: ClusterCrowdOptions) {
    super(options);
    for (let index = 0; index < sharedPublishers; index++) this.addSharer(index);
    this.addGroup('steady', options.members, 0);
    this.addGroup('mixed', options.members, options.members - 1);
    const { places } = options;
    this.quickStreams = ['quick/0', 'quick/1'].map((topic) => new QuickStream('quick', topic));
    const settings = { clientId: 'quick', version: 5, places, onBreach: this.onBreach } as const;
    this.quick = new QuickPublisher({ ...settings, isTransient: true }, this.quickStreams, 0);
    for (let index = 0; index < options.transients; index++) this.addTransient(index);
  }

  override get clients(): Client[] {
    const { members, quick, sharers, transients } = this;
    // The base asks while it is made.
    return [...super.clients, ...members, ...transients, ...sharers, quick];
  }

  /** Those with sessions that outlive connections. */
  get durable(): Client[] {
    return this.clients.filter(({ isTransient }) => !isTransient);
  }

  override get readers(): Subscriber[] {
    return [...super.readers, ...this.members, ...this.transients];
  }

  override get isSubscribed(): boolean {
    return this.readers.every(({ isSubscribed }) => isSubscribed);
  }

  override startSubscribers(): void {
    for (const subscriber of this.readers) subscriber.start();
  }

  override startPublishers(): void {
    super.startPublishers();
    for (const publisher of [...this.sharers, this.quick]) publisher.start();
  }

  override stopPublishing(): void {
    super.stopPublishing();
    for (const publisher of [...this.sharers, this.quick]) publisher.isPublishing = false;
  }

  override get outstanding(): string {
    const inflight = this.sharers.reduce((sum, one) => sum + one.inflight, 0);
    const live = this.live.reduce((sum, reader) => sum + reader.behind, 0);
    const shared = this.groups.map(({ behind, name }) => (behind > 0 ? `${name}: ${behind}` : ''));
    const parts = [
      super.outstanding,
      inflight > 0 ? `shared: ${inflight} unacknowledged` : '',
      ...shared,
      live > 0 ? `transient: ${live}` : '',
    ];
    return parts.filter((text) => text !== '').join('; ');
  }

  override get progress(): number {
    return super.progress + this.shared.acknowledged(1) + this.shared.acknowledged(2);
  }

  protected override tick(): void {
    super.tick();
    for (const publisher of this.sharers) publisher.tick();
    this.quick.tick();
    const { nowMs } = this.ledger;
    if (nowMs - this.lookedMs < lookEveryMs) return;
    this.lookedMs = nowMs;
    for (const reader of this.live) reader.look(nowMs);
  }

  private addSharer(index: number): void {
    const clientId = `sharer-${index}`;
    const streams = ([1, 2] as const).map((qos) =>
      this.shared.addStream(clientId, `shared/${index}`, qos),
    );
    this.sharers.push(
      new Publisher({
        clientId,
        version: index % 2 === 0 ? 5 : 4,
        places: this.options.places,
        onBreach: this.onBreach,
        ledger: this.shared,
        streams,
        window: sharedWindow,
        isPaced: true,
      }),
    );
  }

  /** The first member is durable. */
  private addGroup(name: string, members: number, transients: number): void {
    const group = new Group(name, this.shared, transients > 0);
    this.groups.push(group);
    for (let index = 0; index < members; index++) {
      const clientId = `${name}-${index}`;
      const isTransient = index >= members - transients;
      const member: Subscriber = new Subscriber({
        clientId,
        version: index % 2 === 0 ? 5 : 4,
        places: this.options.places,
        isTransient,
        onBreach: this.onBreach,
        filters: [`$share/${name}/shared/#`],
        qos: 2,
        onSubscribed: () => {
          if (!isTransient) group.join();
        },
        onMessage: ({ payload }) => {
          const { streamIndex = -1, number = -1 } = readPayload(Buffer.from(payload)) ?? {};
          group.onMessage(clientId, member.place, streamIndex, number, this.ledger.nowMs);
        },
      });
      this.members.push(member);
    }
  }

  private addTransient(index: number): void {
    const qos = ([1, 2, 0] as const)[index % 3];
    const streams = (): readonly LiveStream[] => [...this.ledger.streams, ...this.quickStreams];
    const reader = new LiveReader(`transient-${index}`, qos, streams);
    this.live.push(reader);
    this.transients.push(
      new Subscriber({
        clientId: reader.name,
        version: index % 2 === 0 ? 5 : 4,
        places: this.options.places,
        isTransient: true,
        onBreach: this.onBreach,
        filters: ['load/#', 'quick/#'],
        qos,
        onSubscribed: () => reader.join(),
        onLost: () => reader.end(this.ledger.nowMs),
        onMessage: (packet) => this.onLive(reader, packet),
      }),
    );
  }

  private onLive(reader: LiveReader, { payload, qos, topic }: IPublishPacket): void {
    const { streamIndex = -1, number = -1 } = readPayload(Buffer.from(payload)) ?? {};
    const streams: readonly LiveStream[] = topic.startsWith('quick/')
      ? this.quickStreams
      : this.ledger.streams;
    const stream = streams[streamIndex];
    reader.onMessage(stream, number, this.ledger.nowMs);
    if (stream !== undefined && qos !== Math.min(stream.qos, reader.qos)) {
      this.onBreach(`${reader.name}: QoS ${qos} on ${topic}`);
    }
  }
}
