/**
 * A client that comes back: whatever happens to a connection, the next one follows at once, to the
 * same broker or another one. Its session outlives its connections, and each CONNACK must say that
 * it is still there; or it is transient, and none may.
 */
import type { IConnackPacket, IConnectPacket, Packet } from 'mqtt-packet';
import { Line, type ProtocolVersion } from './line.js';
import type { Places } from './places.js';

export interface ClientOptions {
  readonly clientId: string;
  readonly version: ProtocolVersion;
  readonly places: Places;
  /** The session ends with its connection. */
  readonly isTransient?: boolean;
  /** MQTT 5.0. */
  readonly receiveMaximum?: number;
  readonly will?: NonNullable<IConnectPacket['will']>;
  /** Hears what a correct broker never does. */
  readonly onBreach: (what: string) => void;
}

export const sessionExpiryInterval = 3_600;

const reconnectMs = 10;
/** 3.1.1: server unavailable; 5.0: server unavailable, busy, shutting down. */
const mayComeBack = new Set([3, 0x88, 0x89, 0x8b]);
/** Connections that were left behind; older ones are closed. */
const abandonedMax = 20;

export abstract class Client {
  readonly clientId: string;
  readonly version: ProtocolVersion;
  isConnected = false;
  /** CONNACKs that did not refuse. */
  connects = 0;
  /** CONNACKs without Session Present, although there was a session. */
  sessionsLost = 0;
  /** Connections that were cut after so many bytes. */
  protected line: Line | null = null;
  /** Where the connection goes that is there, or was the last one. */
  port = 0;
  /**
   * The life of the broker that it is connected to, for its session: as it was at CONNACK, since
   * one that was taken for dead closes its connections and begins anew; and over when the client
   * turns to another one, which may take the session although nobody hears of it.
   */
  protected life = '';
  /** How often it turned to another broker. */
  private moves = 0;
  /**
   * Where a CONNECT has had no good answer, in which process: there it may still be heard, and the
   * session taken, when the client is long elsewhere; until that broker answers another one.
   */
  private readonly strays = new Map<number, string>();
  private readonly options: ClientOptions;
  private readonly abandoned: Line[] = [];
  private retry: NodeJS.Timeout | null = null;
  private patience: NodeJS.Timeout | null = null;
  private isWanted = false;
  private awayUntilMs = 0;
  /** Where the last attempt failed; null: it did not. */
  private failed: number | null = null;

  constructor(options: ClientOptions) {
    this.options = options;
    this.clientId = options.clientId;
    this.version = options.version;
  }

  /** Connects, now and after every loss. */
  start(): void {
    this.isWanted = true;
    this.open();
  }

  /** The connection ends when so many bytes more have passed. */
  cutAfter(bytes: number, isUp: boolean, isReset: boolean): void {
    this.line?.cutAfter(bytes, isUp, isReset);
  }

  /** Connects again while the broker still has the connection before. */
  takeOver(): void {
    const { line } = this;
    if (line === null) return;
    this.abandoned.push(line);
    if (this.abandoned.length > abandonedMax) this.abandoned.shift()?.destroy();
    line.abandon();
  }

  /** Loses its connection and does not come back for a time. */
  goAway(forMs: number): void {
    this.awayUntilMs = performance.now() + forMs;
    this.line?.destroy();
  }

  /** DISCONNECT, and no connection any more. The session stays. */
  leave(): void {
    this.isWanted = false;
    if (this.isConnected) this.send({ cmd: 'disconnect', reasonCode: 0 });
    this.line?.close();
    this.stopTimers();
    for (const line of this.abandoned) line.destroy();
  }

  /** Where it is, for whoever looks into what does not come. */
  get place(): string {
    return this.isConnected ? `at ${this.port}, connection ${this.connects}` : 'not connected';
  }

  get isTransient(): boolean {
    return this.options.isTransient === true;
  }

  /** CONNACK came. */
  protected abstract onConnected(isPresent: boolean, connack: IConnackPacket): void;
  protected abstract onPacket(packet: Packet): void;
  protected abstract onLost(): void;

  protected send(packet: Packet): void {
    this.line?.send(packet);
  }

  protected breach(what: string): void {
    this.options.onBreach(`${this.clientId}: ${what}`);
  }

  private open(): void {
    this.retry = null;
    const { places } = this.options;
    const port = places.next(this.failed);
    if (port !== this.port || this.hasStrays(port)) this.moves++;
    this.port = port;
    this.failed = port;
    this.strays.set(port, places.processOf(port));
    places.onAttempt(this.clientId, port);
    const line = new Line(port, this.version, {
      onOpen: () => line.send(this.connectPacket()),
      onPacket: (packet) => this.onAnyPacket(packet),
      onClose: () => this.onClosed(line),
      onMalformed: (error) => this.breach(`malformed packet: ${error.message}`),
    });
    this.line = line;
    this.patience = setTimeout(() => line.destroy(), places.patienceMs);
  }

  /** Elsewhere. */
  private hasStrays(port: number): boolean {
    const { places } = this.options;
    for (const [there, process] of this.strays) {
      if (places.processOf(there) !== process) this.strays.delete(there);
      else if (there !== port) return true;
    }
    return false;
  }

  private connectPacket(): Packet {
    const { clientId, version, will, receiveMaximum } = this.options;
    const properties = {
      sessionExpiryInterval: this.isTransient ? 0 : sessionExpiryInterval,
      ...(receiveMaximum === undefined ? {} : { receiveMaximum }),
    };
    return {
      cmd: 'connect',
      clientId,
      protocolId: 'MQTT',
      protocolVersion: version,
      clean: this.isTransient,
      keepalive: 0,
      ...(will === undefined ? {} : { will }),
      ...(version === 5 ? { properties } : {}),
    };
  }

  private onAnyPacket(packet: Packet): void {
    if (packet.cmd === 'connack') this.onConnack(packet);
    else if (packet.cmd === 'disconnect') this.onDisconnect(packet.reasonCode ?? 0);
    else if (this.isConnected) this.onPacket(packet);
    else this.breach(`${packet.cmd} before CONNACK`);
  }

  private onConnack(packet: IConnackPacket): void {
    const code = (this.version === 5 ? packet.reasonCode : packet.returnCode) ?? 0;
    if (code !== 0) {
      if (!mayComeBack.has(code)) this.breach(`CONNACK ${code}`);
      this.line?.destroy();
      return;
    }
    if (this.patience !== null) clearTimeout(this.patience);
    const isPresent = packet.sessionPresent;
    if (this.isTransient) {
      if (isPresent) this.breach('there is a session, after a clean start');
    } else if (this.connects > 0 && !isPresent) {
      this.sessionsLost++;
      this.breach('the session is gone');
    }
    this.connects++;
    this.isConnected = true;
    this.strays.delete(this.port);
    this.life = `${this.options.places.lifeOf(this.port)}.${this.moves}`;
    this.failed = null;
    if (!this.isTransient) this.options.places.onWelcome(this.clientId, this.port);
    this.onConnected(isPresent, packet);
  }

  private onDisconnect(reasonCode: number): void {
    if (!this.options.places.farewells.has(reasonCode)) this.breach(`DISCONNECT ${reasonCode}`);
  }

  private onClosed(line: Line): void {
    if (this.line !== line) return;
    this.line = null;
    this.stopTimers();
    const wasConnected = this.isConnected;
    this.isConnected = false;
    if (wasConnected) this.onLost();
    if (!this.isWanted) return;
    const awayMs = this.awayUntilMs - performance.now();
    this.retry = setTimeout(() => this.open(), Math.max(reconnectMs, awayMs));
  }

  private stopTimers(): void {
    if (this.retry !== null) clearTimeout(this.retry);
    if (this.patience !== null) clearTimeout(this.patience);
    this.retry = null;
    this.patience = null;
  }
}
