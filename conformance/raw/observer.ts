/**
 * Rules that need more than one packet: what a connection's CONNECT allows the broker to send,
 * and what came before. It reads the client's own packets too, as far as they are well formed.
 */
import type { ConnectFields, Version } from './build.js';
import { code, type Packet, packetTypes } from './packet.js';
import { nextFrame } from './parse.js';
import type { Properties } from './properties.js';
import type { Breach, Rule } from './rules.js';

export class Observer {
  private readonly version: Version;
  private readonly breaches: Breach[];
  private allowed: Properties = {};
  private isConnected = false;
  private connacks = 0;
  private isOver = false;
  /** Ids of QoS 1 and 2 PUBLISH packets from the broker that wait for their last answer. */
  private readonly inFlight = new Map<number, 'publish' | 'pubrel'>();

  constructor(version: Version, breaches: Breach[]) {
    this.version = version;
    this.breaches = breaches;
  }

  /** The CONNECT that is being sent. */
  onConnect(fields: ConnectFields): void {
    const { properties } = fields;
    this.allowed = properties === undefined || Buffer.isBuffer(properties) ? {} : properties;
  }

  /** Bytes that the client sends: acknowledgements free ids. */
  onSent(bytes: Buffer): void {
    const ignored: Breach[] = [];
    for (let rest = bytes; rest.length > 0; ) {
      const one = nextFrame(rest, ignored);
      if (one === null || ignored.length > 0) return;
      rest = rest.subarray(one.length);
      if (one.length < 4) continue;
      const type = packetTypes[one[0] >> 4];
      const packetId = one.readUInt16BE(2);
      const isFailure = one.length > 4 && one[4] >= 0x80;
      if (type === 'pubrec' && this.inFlight.has(packetId)) this.inFlight.set(packetId, 'pubrel');
      if (type === 'puback' || type === 'pubcomp' || (type === 'pubrec' && isFailure)) {
        this.inFlight.delete(packetId);
      }
    }
  }

  onReceived(packet: Packet): void {
    if (this.isOver) this.breach('after-disconnect', packet, 'after DISCONNECT');
    if (packet.type === 'connack') this.onConnack(packet);
    else if (!this.isConnected) this.onBeforeConnack(packet);
    if (packet.type === 'publish') this.onPublish(packet);
    if (this.version !== 5) return;
    if (packet.type === 'disconnect') this.isOver = true;
    if (packet.type === 'auth') this.onAuth(packet);
    this.checkLimits(packet);
  }

  private onConnack(packet: Packet): void {
    this.connacks++;
    if (this.connacks > 1) this.breach('connack-once', packet, 'a second CONNACK');
    this.isConnected = packet.reasonCode === 0;
    const { properties } = packet;
    if (properties.responseInformation !== undefined && !this.allowed.requestResponseInformation) {
      this.breach('response-information', packet, 'Response Information without being asked');
    }
    const method = this.allowed.authenticationMethod;
    if (properties.authenticationMethod !== undefined && method === undefined) {
      this.breach('auth-unasked', packet, 'Authentication Method without one in CONNECT');
    }
    if (this.isConnected && String(properties.authenticationMethod) !== String(method)) {
      this.breach('auth-method', packet, `Authentication Method is not ${String(method)}`);
    }
  }

  private onBeforeConnack(packet: Packet): void {
    if (packet.type === 'disconnect') {
      this.breach(
        'disconnect-early',
        packet,
        `DISCONNECT ${code(packet.reasonCode)} before CONNACK`,
      );
    } else if (packet.type !== 'auth') this.breach('connack-first', packet, 'before CONNACK');
  }

  private onAuth(packet: Packet): void {
    const method = this.allowed.authenticationMethod;
    if (method === undefined)
      this.breach('auth-unasked', packet, 'AUTH without a method in CONNECT');
    else if (String(packet.properties.authenticationMethod) !== String(method)) {
      this.breach('auth-method', packet, `Authentication Method is not ${String(method)}`);
    }
  }

  private onPublish(packet: Packet): void {
    const alias = packet.properties.topicAlias ?? 0;
    const aliasMaximum = this.allowed.topicAliasMaximum ?? 0;
    if (alias > aliasMaximum) {
      this.breach('topic-alias', packet, `Topic Alias ${alias} above ${aliasMaximum}`);
    }
    if (packet.qos === 0) return;
    const state = this.inFlight.get(packet.packetId);
    if (state !== undefined && (!packet.dup || state === 'pubrel')) {
      this.breach('packet-id-in-use', packet, `id ${packet.packetId} is in flight`);
    }
    this.inFlight.set(packet.packetId, 'publish');
    const receiveMaximum = this.version === 5 ? (this.allowed.receiveMaximum ?? 65535) : 65535;
    if (this.inFlight.size > receiveMaximum) {
      this.breach('receive-maximum', packet, `${this.inFlight.size} messages in flight`);
    }
  }

  private checkLimits(packet: Packet): void {
    const { properties } = packet;
    const size = packet.bytes.length;
    if (size > (this.allowed.maximumPacketSize ?? Number.POSITIVE_INFINITY)) {
      this.breach('packet-size', packet, `${size} bytes, over the Maximum Packet Size`);
    }
    const isProblem =
      properties.reasonString !== undefined || properties.userProperties !== undefined;
    const mayHaveProblem = ['publish', 'connack', 'disconnect'].includes(packet.type);
    if (isProblem && !mayHaveProblem && this.allowed.requestProblemInformation === 0) {
      this.breach('problem-information', packet, 'Reason String or User Property, though refused');
    }
    if (packet.type === 'disconnect' && properties.sessionExpiryInterval !== undefined) {
      this.breach('disconnect-session-expiry', packet, 'Session Expiry Interval in DISCONNECT');
    }
  }

  private breach(rule: Rule, packet: Packet, text: string): void {
    this.breaches.push({ rule, text: `${packet.type.toUpperCase()}: ${text}` });
  }
}
