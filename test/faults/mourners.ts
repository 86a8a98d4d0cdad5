/**
 * Clients with wills that never come back: a will is due once, when its client's connection ended
 * or the broker under it did, and no sooner than its delay.
 */
import type { QoS } from 'mqtt-packet';
import { sessionExpiryInterval } from './client.js';
import { Line, type ProtocolVersion } from './line.js';
import type { Places } from './places.js';

export const willFilter = 'wills/#';
/** Of clients that do come back in time. */
export const unwantedWill = 'wills/unwanted';

const connectedMax = 4;
export const willDelayMax = 2;

interface Mourner {
  readonly clientId: string;
  readonly qos: QoS;
  /** CONNACK came: the broker has the will. */
  isConnected: boolean;
  /** The connection is over. */
  isGone: boolean;
}

export interface WillFigures {
  /** Wills of which it is known that they must come. */
  readonly due: number;
  readonly lost: readonly string[];
  /** More than once at QoS 2, or at all when the client was back in time. */
  readonly repeated: readonly string[];
}

export class Mourners {
  private readonly places: Places;
  private readonly all: Mourner[] = [];
  private readonly lines = new Map<Mourner, Line>();
  /** Client identifier → how often its will came. */
  private readonly came = new Map<string, number>();
  private isOver = false;

  constructor(places: Places) {
    this.places = places;
  }

  /** Connects new ones in place of those that are gone. */
  refill(): void {
    while (!this.isOver && this.lines.size < connectedMax) this.connect();
  }

  onWill(payload: Buffer): void {
    const clientId = payload.toString();
    this.came.set(clientId, (this.came.get(clientId) ?? 0) + 1);
  }

  /** The connection of one of them ends without DISCONNECT. */
  cutOne(pick: number): void {
    const lines = [...this.lines.values()];
    lines[pick % lines.length]?.destroy();
  }

  /** Ends all connections without DISCONNECT: the last wills are due. */
  end(): void {
    this.isOver = true;
    for (const line of [...this.lines.values()]) line.destroy();
  }

  /** Wills that are due and did not come yet. */
  get missing(): number {
    return this.all.filter((mourner) => isDue(mourner) && !this.came.has(mourner.clientId)).length;
  }

  figures(): WillFigures {
    const due = this.all.filter(isDue);
    const lost = due.filter(({ clientId }) => !this.came.has(clientId));
    const repeated = this.all.filter(
      ({ clientId, qos }) => qos === 2 && (this.came.get(clientId) ?? 0) > 1,
    );
    const unwanted = this.came.has(unwantedWill) ? [unwantedWill] : [];
    const name = ({ clientId }: Mourner): string => clientId;
    return {
      due: due.length,
      lost: lost.map(name),
      repeated: [...repeated.map(name), ...unwanted],
    };
  }

  private connect(): void {
    const number = this.all.length;
    const version: ProtocolVersion = number % 3 === 0 ? 4 : 5;
    const qos: QoS = number % 4 === 3 ? 1 : 2;
    const clientId = `mourner-${number}`;
    const mourner: Mourner = { clientId, qos, isConnected: false, isGone: false };
    this.all.push(mourner);
    const line = new Line(this.places.next(null), version, {
      onOpen: () => line.send(connectPacket(mourner, version, number % (willDelayMax + 1))),
      onPacket: (packet) => {
        if (packet.cmd !== 'connack') return;
        mourner.isConnected = (packet.reasonCode ?? packet.returnCode) === 0;
      },
      onClose: () => {
        mourner.isGone = true;
        this.lines.delete(mourner);
      },
      onMalformed: () => undefined,
    });
    this.lines.set(mourner, line);
  }
}

function isDue({ isConnected, isGone }: Mourner): boolean {
  return isConnected && isGone;
}

function connectPacket(
  { clientId, qos }: Mourner,
  version: ProtocolVersion,
  willDelayInterval: number,
): Parameters<Line['send']>[0] {
  const isV5 = version === 5;
  return {
    cmd: 'connect',
    clientId,
    protocolId: 'MQTT',
    protocolVersion: version,
    clean: false,
    keepalive: 0,
    ...(isV5 ? { properties: { sessionExpiryInterval } } : {}),
    will: {
      topic: `wills/${clientId}`,
      payload: Buffer.from(clientId),
      qos,
      retain: false,
      ...(isV5 ? { properties: { willDelayInterval } } : {}),
    },
  };
}
