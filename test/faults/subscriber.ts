/**
 * A subscriber that does what the specification says: it holds the packet identifiers of QoS 2
 * between PUBREC and PUBREL over all its connections, and gives its application each message at
 * the first PUBLISH only [MQTT-4.3.3-10]. The application sees QoS 1 as often as it comes.
 */
import type { IPublishPacket, Packet, QoS } from 'mqtt-packet';
import { Client, type ClientOptions } from './client.js';

export interface SubscriberOptions extends ClientOptions {
  readonly filters: readonly string[];
  readonly qos: QoS;
  /** SUBACK came, for the first time in its session. */
  readonly onSubscribed: () => void;
  readonly onLost?: () => void;
  /** A message for the application. */
  readonly onMessage: (packet: IPublishPacket) => void;
}

const subscribeId = 1;

export class Subscriber extends Client {
  isSubscribed = false;
  /** PUBLISH packets that came, repeats included. */
  packets = 0;
  /** The same QoS 1 message with the same identifier again, but without DUP. */
  repeatedWithoutDup = 0;
  /** When the last PUBLISH came. */
  lastPacketMs = 0;
  /** QoS 2 identifier → the message that it stands for. */
  private readonly held = new Map<number, Buffer>();
  /** QoS 1 identifier → the last message that had it, its first bytes. */
  private readonly lastOf = new Map<number, Buffer>();
  /** QoS 2 identifiers that were sent on this connection. */
  private sentNow = new Set<number>();
  private readonly settings: SubscriberOptions;

  constructor(options: SubscriberOptions) {
    super(options);
    this.settings = options;
  }

  protected override onConnected(isPresent: boolean): void {
    this.sentNow = new Set();
    if (!isPresent) {
      this.held.clear();
      this.lastOf.clear();
      if (this.isTransient) this.isSubscribed = false;
    }
    if (this.isSubscribed && isPresent) return;
    const { filters, qos } = this.settings;
    const subscriptions = filters.map((topic) => ({ topic, qos }));
    this.send({ cmd: 'subscribe', messageId: subscribeId, subscriptions });
  }

  protected override onPacket(packet: Packet): void {
    switch (packet.cmd) {
      case 'publish':
        this.onPublish(packet);
        break;
      case 'pubrel':
        this.onPubrel(packet.messageId ?? 0);
        break;
      case 'suback':
        if (this.isSubscribed) break;
        if (packet.granted.some((code) => code !== this.settings.qos))
          this.breach('SUBACK refuses');
        this.isSubscribed = true;
        this.settings.onSubscribed();
        break;
      default:
        this.breach(`${packet.cmd} for a subscriber`);
    }
  }

  protected override onLost(): void {
    // What is held stays held: with a durable session the broker begins again where it was.
    if (this.isTransient) this.isSubscribed = false;
    this.settings.onLost?.();
  }

  private onPublish(packet: IPublishPacket): void {
    const packetId = packet.messageId ?? 0;
    this.packets++;
    this.lastPacketMs = performance.now();
    if (packet.qos === 0) {
      this.settings.onMessage(packet);
      return;
    }
    if (packet.qos === 1) {
      this.noteDup(packetId, packet);
      this.settings.onMessage(packet);
      this.send({ cmd: 'puback', messageId: packetId, reasonCode: 0 });
      return;
    }
    const before = this.held.get(packetId);
    if (before === undefined) {
      this.held.set(packetId, startOf(packet));
      this.settings.onMessage(packet);
    } else if (!before.equals(startOf(packet))) {
      this.breach(`identifier ${packetId} is held, and came with another message`);
    } else if (this.sentNow.has(packetId)) {
      this.breach(`QoS 2 message ${packetId} came twice on one connection`);
    }
    this.sentNow.add(packetId);
    this.send({ cmd: 'pubrec', messageId: packetId, reasonCode: 0 });
  }

  private onPubrel(packetId: number): void {
    this.held.delete(packetId);
    this.sentNow.delete(packetId);
    this.send({ cmd: 'pubcomp', messageId: packetId, reasonCode: 0 });
  }

  private noteDup(packetId: number, packet: IPublishPacket): void {
    const start = startOf(packet);
    if (this.lastOf.get(packetId)?.equals(start) && !packet.dup) {
      this.repeatedWithoutDup++;
      this.breach(`QoS 1 message ${packetId} came again without DUP [MQTT-3.3.1-1]`);
    }
    this.lastOf.set(packetId, start);
  }
}

/** Enough to tell messages apart, without keeping large ones. */
function startOf({ payload }: IPublishPacket): Buffer {
  return Buffer.from(Buffer.from(payload).subarray(0, 40));
}
