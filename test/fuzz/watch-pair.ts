/**
 * Two well-behaved clients among the hostile ones, of different versions and on different
 * listeners. As long as each message of the one reaches the other in time and in order, at every
 * QoS, the broker does its work.
 */
import type { RunningBroker } from '../integration/support/broker.js';
import type { TestClient } from '../integration/support/test-client.js';
import { within } from '../support/until.js';

// Far above any round trip on a busy machine, far below a hang.
const deadlineMs = 20_000;
const websocketListener = 3;

export class WatchPair {
  /** Messages that arrived. */
  delivered = 0;
  /** The longest time from publishing to delivery. */
  slowestMs = 0;
  private readonly publisher: TestClient;
  private readonly subscriber: TestClient;
  private isStopping = false;
  private failure: Error | null = null;
  private loop: Promise<void> = Promise.resolve();

  private constructor(publisher: TestClient, subscriber: TestClient) {
    this.publisher = publisher;
    this.subscriber = subscriber;
  }

  static async start(broker: RunningBroker): Promise<WatchPair> {
    const publisher = await broker.connect({
      clientId: 'watch-publisher',
      protocolVersion: 4,
      keepalive: 0,
    });
    const subscriber = await broker.connect({
      clientId: 'watch-subscriber',
      protocol: 'ws',
      listener: websocketListener,
      path: '/mqtt',
      keepalive: 0,
    });
    await subscriber.subscribe('watch/it', 2);
    const pair = new WatchPair(publisher, subscriber);
    pair.loop = pair.run();
    return pair;
  }

  /** Throws what went wrong, if anything did. */
  check(): void {
    if (this.failure !== null) throw this.failure;
  }

  /** Ends both clients; throws what went wrong. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.loop;
    await Promise.all([this.publisher.end(), this.subscriber.end()]);
    this.check();
  }

  private async run(): Promise<void> {
    try {
      for (let number = 0; !this.isStopping; number++) await this.deliver(number);
    } catch (error) {
      this.failure = error as Error;
    }
  }

  private async deliver(number: number): Promise<void> {
    const sentMs = performance.now();
    const arrival = new Promise<Buffer>((resolve) => {
      this.subscriber.client.once('message', (_topic, payload) => resolve(payload));
    });
    const qos = (number % 3) as 0 | 1 | 2;
    // Not UTF-8, which matters to nobody unless a hostile client's properties rub off.
    const payload = Buffer.concat([Buffer.of(0xff), Buffer.from(`${number}`)]);
    const sent = this.publisher.client.publishAsync('watch/it', payload, { qos });
    await within(`acknowledgement of message ${number} at QoS ${qos}`, sent, { deadlineMs });
    const arrived = await within(`message ${number} at QoS ${qos}`, arrival, { deadlineMs });
    if (!arrived.equals(payload)) throw new Error(`instead of message ${number} came ${arrived}`);
    // MQTT.js keeps them for the test, and this run may be long.
    this.subscriber.packets.length = 0;
    this.delivered++;
    this.slowestMs = Math.max(this.slowestMs, performance.now() - sentMs);
  }
}
