/** Carries an attack out: sends its chunks, answers as it was told to, and goes. */
import { type AckType, ack, type Version } from '../../conformance/raw/build.js';
import { parsePacket } from '../../conformance/raw/parse.js';
import type { Breach } from '../../conformance/raw/rules.js';
import type { Attack } from './attack.js';
import type { Ports } from './fuzzed-broker.js';
import { Wire } from './wire.js';

const PUBLISH = 3;
const PUBREC = 5;
const PUBREL = 6;
const CONNACK_BYTE = 0x20;
// A broker that keeps a finished connection open longer than this is not dealing with us.
const closeDeadlineMs = 20_000;
const breachesMax = 5;
const shownBytes = 60;
const shortConnack = 4;

export interface Outcome {
  /** The broker closed it before the attacker did. */
  readonly isClosedByBroker: boolean;
  readonly packets: number;
  /** The connection could not be made. */
  readonly connectError: NodeJS.ErrnoException | null;
  /** What the broker sent that no server may send. */
  readonly breaches: readonly OwnBreach[];
}

export interface OwnBreach {
  /** The same for all breaches that are likely to have one cause. */
  readonly kind: string;
  readonly text: string;
}

export function carryOut(attack: Attack, ports: Ports): Promise<Outcome> {
  return new Promise((resolve) => new Attacker(attack, ports, resolve));
}

class Attacker {
  private readonly attack: Attack;
  private readonly wire: Wire;
  private timer: NodeJS.Timeout | null = null;
  private next = 0;
  private packets = 0;
  private hasLeft = false;
  private readonly breaches: OwnBreach[] = [];
  /** What the broker took the client for, which a mutated CONNECT may have changed. */
  private version: Version | 0 = 0;

  constructor(attack: Attack, ports: Ports, done: (outcome: Outcome) => void) {
    this.attack = attack;
    const kind = attack.listener === 'websocket' ? 'websocket' : 'tcp';
    // Many addresses, or the ports of one run out.
    const localAddress =
      process.platform === 'linux' ? `127.0.0.${2 + (attack.index % 200)}` : undefined;
    this.wire = new Wire(
      kind,
      ports[attack.listener],
      {
        onPacket: (packet) => this.onPacket(packet),
        onClose: () => {
          if (this.timer !== null) clearTimeout(this.timer);
          const { packets, wire, hasLeft } = this;
          const { connectError } = wire;
          done({ isClosedByBroker: !hasLeft, packets, connectError, breaches: this.breaches });
        },
      },
      localAddress,
    );
    if (attack.isDeaf) this.wire.pause();
    this.sendOn();
  }

  private sendOn(): void {
    const { chunks, isPaced, isSplit, stayMs } = this.attack;
    while (this.next < chunks.length) {
      if (this.wire.isClosed) return;
      this.wire.send(chunks[this.next++], isSplit);
      if (isPaced) {
        setImmediate(() => this.sendOn());
        return;
      }
    }
    this.timer = setTimeout(() => this.leave(), stayMs);
  }

  private leave(): void {
    if (this.wire.isClosed) return;
    this.hasLeft = true;
    if (this.attack.ending === 'reset') {
      this.wire.reset();
      return;
    }
    this.wire.end();
    this.wire.resume();
    this.timer = setTimeout(() => this.wire.reset(), closeDeadlineMs);
  }

  private onPacket(packet: Buffer): void {
    this.packets++;
    if (!this.isWellFormed(packet)) return;
    const { acknowledges } = this.attack;
    if (acknowledges === 'never') return;
    if (acknowledges === 'rightly') this.answer(packet);
    else this.answerWrongly(packet);
  }

  private isWellFormed(packet: Buffer): boolean {
    const breaches: Breach[] = [];
    const isFirst = this.version === 0;
    // A CONNACK of MQTT 3.x has no room for properties.
    if (isFirst) this.version = packet.length === shortConnack ? 4 : 5;
    if (isFirst && packet[0] !== CONNACK_BYTE) this.breach('first', 'is no CONNACK', packet);
    else parsePacket(packet, this.version as Version, breaches);
    for (const { rule, text } of breaches) this.breach(rule, text, packet);
    return this.breaches.length === 0;
  }

  private breach(rule: string, what: string, packet: Buffer): void {
    if (this.breaches.length >= breachesMax) return;
    const kind = `${packet[0] >>> 4} ${rule} ${this.attack.listener}`;
    this.breaches.push({ kind, text: `${what}: ${shorten(packet)}` });
  }

  private answer(packet: Buffer): void {
    const type = packet[0] >>> 4;
    if (type === PUBLISH) {
      const qos = (packet[0] >>> 1) & 3;
      if (qos === 0) return;
      const bodyAt = packet.findIndex((byte, at) => at > 0 && byte < 128) + 1;
      const packetId = packet.readUInt16BE(bodyAt + 2 + packet.readUInt16BE(bodyAt));
      this.acknowledge(qos === 1 ? 'puback' : 'pubrec', packetId);
    } else if (type === PUBREC) this.acknowledge('pubrel', packet.readUInt16BE(2));
    else if (type === PUBREL) this.acknowledge('pubcomp', packet.readUInt16BE(2));
  }

  /** Another acknowledgement than it should be, or one of something else, or both. */
  private answerWrongly(packet: Buffer): void {
    const { random } = this.attack;
    if (random.chance(30)) this.answer(packet);
    if (random.chance(60)) {
      const type = random.pick(['puback', 'pubrec', 'pubrel', 'pubcomp'] as const);
      this.acknowledge(type, random.between(1, 12));
    }
  }

  private acknowledge(type: AckType, packetId: number): void {
    this.wire.send(ack(this.version === 5 ? 5 : 4, type, packetId));
  }
}

function shorten(packet: Buffer): string {
  const shown = packet.subarray(0, shownBytes).toString('hex');
  return packet.length > shownBytes ? `${shown}… (${packet.length} bytes)` : shown;
}
