/**
 * `$SYS/cluster/…`: figures of every broker and their sums, as each broker shows them. A broker
 * tells the others its own every `sys_interval` seconds.
 */
import type { BrokerCore } from '../broker/core.js';
import type { Fabric } from '../store/fabric.js';
import { encodeRecord, sourceOf } from '../store/record.js';

export const CLUSTER_PREFIX = '$SYS/cluster/';
/** On this topic brokers tell each other their figures; nobody can subscribe to it. */
const FIGURES_TOPIC = '$SYS/cluster';

type Figures = Readonly<Record<string, number>>;

export class ClusterFigures {
  private readonly core: BrokerCore;
  private readonly fabric: Fabric;
  /** Broker → what it said last. */
  private readonly byNode = new Map<string, Figures>();
  /** Topic → payload as last published. */
  private readonly published = new Map<string, string>();
  private intervalMs = 0;
  private toldMs = Number.NEGATIVE_INFINITY;

  constructor(core: BrokerCore, fabric: Fabric) {
    this.core = core;
    this.fabric = fabric;
  }

  /** @param seconds 0: nothing is told or shown */
  setInterval(seconds: number): void {
    this.intervalMs = seconds * 1000;
    this.toldMs = Number.NEGATIVE_INFINITY;
    if (seconds === 0) this.show(new Map());
  }

  tick(nowMs: number): void {
    if (this.intervalMs === 0 || nowMs - this.toldMs < this.intervalMs) return;
    this.toldMs = nowMs;
    const { fabric } = this;
    this.byNode.set(fabric.node, this.own());
    for (const node of [...this.byNode.keys()]) {
      if (node !== fabric.node && !fabric.peers.has(node)) this.byNode.delete(node);
    }
    this.tell();
    this.showAll();
  }

  /** True when a message from another broker was its figures. */
  onMessage(topic: string, payload: Buffer): boolean {
    if (topic !== FIGURES_TOPIC) return false;
    const said = parse(payload);
    if (said !== null) this.byNode.set(said.node, said.figures);
    return true;
  }

  private own(): Figures {
    const { metrics, sessions } = this.core;
    return {
      'clients/connected': metrics.clientsConnected,
      'sessions/own': sessions.ownSize,
      'messages/received': metrics.packetsReceived,
      'messages/sent': metrics.packetsSent,
      'publish/messages/received': metrics.publishReceived,
      'publish/messages/sent': metrics.publishSent,
      'publish/messages/dropped': metrics.droppedTotal,
      'bytes/received': metrics.bytesReceived,
      'bytes/sent': metrics.bytesSent,
    };
  }

  private tell(): void {
    const { fabric, core } = this;
    if (fabric.peers.size === 0) return;
    const figures = this.byNode.get(fabric.node)!;
    const payload = Buffer.from(JSON.stringify({ node: fabric.node, figures }));
    const record = encodeRecord(
      sourceOf({
        topic: FIGURES_TOPIC,
        qos: 0,
        retain: false,
        isV5: true,
        ids: null,
        sharedFilter: '',
        publisherId: null,
        expiresAtMs: Number.POSITIVE_INFINITY,
        expiryAt: -1,
        properties: Buffer.alloc(0),
        payload,
      }),
    );
    for (const node of fabric.peers) {
      fabric.publish(node, record, null, core.journal!.beginFrame(record.length));
    }
  }

  private showAll(): void {
    const shown = new Map<string, string>();
    const sums = new Map<string, number>();
    shown.set('nodes/count', `${this.byNode.size}`);
    for (const [node, figures] of this.byNode) {
      const name = node.replace(/[/+#\0]/g, '_');
      for (const [key, value] of Object.entries(figures)) {
        shown.set(`nodes/${name}/${key}`, `${value}`);
        sums.set(key, (sums.get(key) ?? 0) + value);
      }
    }
    for (const [key, value] of sums) shown.set(key, `${value}`);
    this.show(shown);
  }

  /** Publishes what has changed, and removes what is no longer said. */
  private show(shown: ReadonlyMap<string, string>): void {
    const { core, published } = this;
    for (const name of [...published.keys()]) {
      if (shown.has(name)) continue;
      published.delete(name);
      core.publish(CLUSTER_PREFIX + name, Buffer.alloc(0), { qos: 2, retain: true });
    }
    for (const [name, value] of shown) {
      if (published.get(name) === value) continue;
      published.set(name, value);
      core.publish(CLUSTER_PREFIX + name, Buffer.from(value), { qos: 2, retain: true });
    }
  }
}

/** Null: of a version that says it otherwise. */
function parse(payload: Buffer): { node: string; figures: Figures } | null {
  try {
    const { node, figures } = JSON.parse(payload.toString()) as Record<string, unknown>;
    if (typeof node !== 'string' || typeof figures !== 'object' || figures === null) return null;
    const numbers = Object.entries(figures).filter(([, value]) => typeof value === 'number');
    return { node, figures: Object.fromEntries(numbers) as Figures };
  } catch {
    return null;
  }
}
