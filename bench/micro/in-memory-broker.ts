/**
 * The broker core without sockets: bytes in, bytes out, in this process. It shows what the core
 * itself costs, without the kernel's share.
 */
import * as mqttPacket from 'mqtt-packet';
import { systemClock } from '../../src/base/clock.js';
import { silentLog } from '../../src/base/log.js';
import { XorShift32 } from '../../src/base/prng.js';
import { BrokerCore } from '../../src/broker/core.js';
import { silentObserver } from '../../src/broker/observer.js';
import { openAccess } from '../../src/broker/open-access.js';
import {
  type PeerInfo,
  READ_AREA,
  READ_HEADROOM,
  readBuffer,
  type Transport,
  type TransportReceiver,
} from '../../src/broker/transport.js';
import { defaultDelivery, defaultListener } from '../../src/config/defaults.js';
import { defaultLimits } from '../../src/config/limits.js';
import { sink } from './micro-task.js';

export class InMemoryBroker {
  private readonly core = new BrokerCore({
    delivery: defaultDelivery(),
    // A batch is in flight at once: there is no client to acknowledge in between.
    limits: defaultLimits({ inflightMessagesMax: 0 }),
    logsConnections: false,
    clock: systemClock,
    prng: new XorShift32(1),
    log: silentLog,
    observer: silentObserver,
    store: null,
    schedule: () => undefined, // `endTurn` does it
  });

  /** A client whose CONNECT is done. */
  connect(clientId: string, level: 4 | 5): MemoryClient {
    const transport = new MemoryTransport();
    const acceptedAtMs = systemClock.nowMs();
    const receiver = this.core.accept(transport, listener, openAccess, acceptedAtMs);
    const client = new MemoryClient(receiver, level);
    const packet = { cmd: 'connect', clientId, protocolId: 'MQTT', keepalive: 0 } as const;
    client.send(mqttPacket.generate({ ...packet, protocolVersion: level, clean: true }));
    this.endTurn();
    return client;
  }

  /** Deliveries sent to all clients so far. */
  get deliveries(): number {
    return this.core.metrics.publishSent;
  }

  /** What the event loop does when all input has been read. */
  endTurn(): void {
    this.core.turn.end();
  }
}

export class MemoryClient {
  private readonly receiver: TransportReceiver;
  private readonly level: 4 | 5;

  constructor(receiver: TransportReceiver, level: 4 | 5) {
    this.receiver = receiver;
    this.level = level;
  }

  /** Hands bytes to the connection as a socket would: through the shared read buffer. */
  send(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += READ_AREA) {
      const length = Math.min(READ_AREA, bytes.length - at);
      bytes.copy(readBuffer, READ_HEADROOM, at, at + length);
      this.receiver.onData(readBuffer, READ_HEADROOM, READ_HEADROOM + length);
    }
  }

  subscribe(topic: string, qos: number): void {
    const subscriptions = [{ topic, qos: qos as mqttPacket.QoS }];
    const packet: mqttPacket.ISubscribePacket = { cmd: 'subscribe', messageId: 1, subscriptions };
    this.send(mqttPacket.generate(packet, { protocolVersion: this.level }));
  }
}

/** A socket whose kernel takes everything at once. */
class MemoryTransport implements Transport {
  readonly peer: PeerInfo = {
    remoteAddress: '127.0.0.1',
    remotePort: 1,
    identity: null,
    subject: null,
    isTls: false,
  };

  write(_chunk: Buffer, length: number): boolean {
    sink.value += length;
    return true;
  }

  writeNow(_bytes: Buffer, start: number, end: number): number {
    sink.value += end - start;
    return end - start;
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

const listener = defaultListener();
