/**
 * A client of MQTT 5.0 or 3.1.1 that goes from broker to broker: connects, loses its connection,
 * gives up when nobody answers, and connects again somewhere. What it does, subclasses say.
 */
import * as mqttPacket from 'mqtt-packet';
import type { Received } from '../broker/support/fake-broker.js';
import type { Draw, Loop } from './loop.js';
import { Process } from './loop.js';
import type { SimBroker } from './sim-broker.js';
import type { Peer, SimTransport } from './sim-transport.js';

/** Milliseconds after which a client does not believe any more that its broker will answer. */
const PATIENCE_MS = 8_000;

export interface ClientHome {
  readonly loop: Loop;
  readonly draw: Draw;
  readonly brokers: readonly SimBroker[];
  /** A full queue refuses messages. */
  readonly refuses: boolean;
  trace(who: string, what: string): void;
  onProblem(text: string): void;
}

export interface ClientTraits {
  readonly version: 4 | 5;
  readonly isDurable: boolean;
  readonly will: { readonly qos: 0 | 1 | 2; readonly delayS: number } | null;
  /** Bytes of a packet that it takes, in MQTT 5.0; 0: any number. */
  readonly maximumPacketSize: number;
  /** It reads slowly. */
  readonly isSlow: boolean;
}

/** One connection of a client, from CONNECT to its end. */
export interface Connection {
  readonly number: number;
  readonly broker: string;
  /** Its CONNACK has come. */
  isWelcome: boolean;
  /** DISCONNECT was sent: no will. */
  isFarewell: boolean;
  isOpen: boolean;
  /** The store did not answer when it was made: no other broker knows of it. */
  isUnrecorded: boolean;
  /** When CONNACK came. */
  welcomeMs: number;
  /** When it ended; -1: not yet. */
  closedMs: number;
}

export abstract class SimClient implements Peer {
  readonly clientId: string;
  readonly traits: ClientTraits;
  readonly process: Process;
  readonly connections: Connection[] = [];
  /** Not to connect for now. */
  isAway = false;
  protected readonly home: ClientHome;
  protected current: Connection | null = null;
  /** A broker said that it has the session. */
  private hasSession = false;
  private transport: SimTransport | null = null;
  private parser: mqttPacket.Parser | null = null;
  private cancelRetry: () => void = () => undefined;
  /** Since when an answer is owed; -1: none is. */
  private owedMs = -1;

  constructor(clientId: string, traits: ClientTraits, home: ClientHome) {
    this.clientId = clientId;
    this.traits = traits;
    this.home = home;
    this.process = new Process(clientId, home.loop);
  }

  /** What it waits for; empty: nothing. */
  abstract waitingFor(): string;
  /** CONNACK. */
  protected abstract onWelcome(isPresent: boolean): void;
  protected abstract onPacket(packet: Received): void;

  get isConnected(): boolean {
    return this.current?.isWelcome === true;
  }

  get isSlow(): boolean {
    return this.traits.isSlow;
  }

  /** A broker could not ask the store about it. */
  onUnanswered(): void {
    if (this.current?.isWelcome === false) this.current.isUnrecorded = true;
  }

  /** Begins, and looks after itself from then on. */
  begin(): void {
    this.retryIn(this.home.draw.between(0, 100));
    const look = (): void => {
      this.checkPatience();
      this.home.loop.schedule(this.process, 500, look);
    };
    this.home.loop.schedule(this.process, 500, look);
  }

  /** The connection breaks, or is given up; with another one at once, perhaps elsewhere. */
  drop(why: string): void {
    if (this.current === null) return;
    this.trace(`drops its connection: ${why}`);
    this.transport!.closeByClient(this.home.draw.chance(0.5));
    this.onClosed();
  }

  /** DISCONNECT. */
  leave(): void {
    if (!this.isConnected) return;
    this.trace('disconnects');
    this.current!.isFarewell = true;
    this.send({ cmd: 'disconnect' });
    this.transport!.closeByClient(true);
    this.onClosed();
  }

  /** Connects elsewhere while its connection stands. */
  move(): void {
    if (!this.isConnected) return;
    this.trace('connects elsewhere while it is connected');
    this.endCurrent();
    // The old connection is forgotten, not closed: the broker has to do that.
    this.connect();
  }

  onBytes(bytes: Buffer): void {
    this.parser!.parse(bytes);
  }

  onClosed(): void {
    if (this.current === null) return;
    this.trace('is disconnected');
    this.endCurrent();
    this.transport = null;
    this.owedMs = -1;
    this.onLost();
    this.retryIn(this.home.draw.between(5, 1_000));
  }

  private endCurrent(): void {
    this.current!.isOpen = false;
    this.current!.closedMs = this.home.loop.nowMs;
    this.current = null;
  }

  /** The connection is gone. */
  protected onLost(): void {
    // Most have nothing to do.
  }

  protected send(packet: mqttPacket.Packet): void {
    const bytes = mqttPacket.generate(packet, { protocolVersion: this.traits.version });
    this.transport?.fromClient(bytes);
  }

  protected trace(what: string): void {
    this.home.trace(this.clientId, what);
  }

  /** An answer has come. */
  protected onAnswered(): void {
    this.owedMs = -1;
  }

  private retryIn(ms: number): void {
    this.cancelRetry();
    this.cancelRetry = this.home.loop.schedule(this.process, ms, () => {
      if (this.current !== null) return;
      if (this.isAway) this.retryIn(500);
      else this.connect();
    });
  }

  private connect(): void {
    const { draw, brokers } = this.home;
    const broker = draw.pick(brokers);
    const wire = new Line(this);
    const transport = broker.connect(wire);
    if (transport === null) {
      this.retryIn(draw.between(50, 500));
      return;
    }
    const number = this.connections.length + 1;
    const name = broker.process.name;
    const connection = { number, broker: name, isWelcome: false, isFarewell: false };
    this.current = {
      isUnrecorded: false,
      ...connection,
      isOpen: true,
      welcomeMs: -1,
      closedMs: -1,
    };
    this.connections.push(this.current);
    this.transport = transport;
    this.line?.detach();
    this.line = wire;
    this.parser = mqttPacket.parser({ protocolVersion: this.traits.version });
    this.parser.on('packet', (packet) => this.take(packet as unknown as Received));
    this.parser.on('error', (error: Error) => this.home.onProblem(`${this.clientId}: ${error}`));
    this.owedMs = this.home.loop.nowMs;
    this.trace(`connects to ${name}`);
    this.sendConnect(number);
  }

  private line: Line | null = null;

  private sendConnect(number: number): void {
    const { isDurable, maximumPacketSize, version, will } = this.traits;
    const properties = {
      ...(isDurable ? { sessionExpiryInterval: 0xffff_ffff } : {}),
      ...(maximumPacketSize > 0 ? { maximumPacketSize } : {}),
    };
    const delay = version === 5 && will !== null ? will.delayS : 0;
    this.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: version,
      clientId: this.clientId,
      clean: !isDurable,
      keepalive: 0,
      ...(version === 5 ? { properties } : {}),
      ...(will === null
        ? {}
        : {
            will: {
              topic: `will/${this.clientId}`,
              payload: Buffer.from(`${this.clientId}#${number}`),
              qos: will.qos,
              retain: false,
              ...(version === 5 ? { properties: { willDelayInterval: delay } } : {}),
            },
          }),
    });
  }

  private take(packet: Received): void {
    if (this.current === null) return;
    if (packet.cmd === 'connack') {
      this.onConnack(packet);
      return;
    }
    if (packet.cmd === 'disconnect') {
      this.trace(`got DISCONNECT ${packet.reasonCode}`);
      return;
    }
    this.onPacket(packet);
  }

  private onConnack({ reasonCode, returnCode, sessionPresent }: Received): void {
    const code = reasonCode ?? returnCode ?? 0;
    this.owedMs = -1;
    if (code !== 0) {
      this.trace(`is refused with ${code}`);
      return;
    }
    this.trace(`is welcome, ${sessionPresent ? 'with' : 'without'} a session`);
    this.current!.isWelcome = true;
    this.current!.welcomeMs = this.home.loop.nowMs;
    if (this.hasSession && !sessionPresent)
      this.home.onProblem(`${this.clientId} lost its session`);
    this.hasSession = this.traits.isDurable;
    this.onWelcome(sessionPresent === true);
  }

  private checkPatience(): void {
    const { nowMs } = this.home.loop;
    if (this.current === null) return;
    if (this.current.isWelcome && this.waitingFor() === '') this.owedMs = -1;
    else if (this.owedMs < 0) this.owedMs = nowMs;
    else if (nowMs - this.owedMs > PATIENCE_MS) {
      this.drop(`no answer: ${this.current.isWelcome ? this.waitingFor() : 'CONNACK'}`);
    }
  }
}

/** Gives what comes on one connection to its client, until there is another one. */
class Line implements Peer {
  private client: SimClient | null;
  readonly process: Process;
  readonly isSlow: boolean;

  constructor(client: SimClient) {
    this.client = client;
    this.isSlow = client.isSlow;
    this.process = client.process;
  }

  detach(): void {
    this.client = null;
  }

  onBytes(bytes: Buffer): void {
    this.client?.onBytes(bytes);
  }

  onClosed(): void {
    this.client?.onClosed();
  }
}
