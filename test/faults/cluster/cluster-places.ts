/** Clients that connect to any of several brokers, and to the next one when one does not answer. */
import type { Random } from '../../fuzz/random.js';
import { type Places, usualFarewells } from '../places.js';
import type { Machine } from './machines.js';
import type { ResumeMeter } from './resume-meter.js';

/** Of somebody who knows that there are others. */
const patienceMs = 5_000;
/** One that was taken for dead says that it is busy. */
const cutOff = 0x89;

export class ClusterPlaces implements Places {
  readonly patienceMs = patienceMs;
  readonly farewells: ReadonlySet<number> = new Set([...usualFarewells, cutOff]);
  private readonly machines: readonly Machine[];
  private readonly random: Random;
  private readonly meter: ResumeMeter;

  constructor(machines: readonly Machine[], random: Random, meter: ResumeMeter) {
    this.machines = machines;
    this.random = random;
    this.meter = meter;
  }

  next(failed: number | null): number {
    const { machines } = this;
    const at = machines.findIndex(({ broker }) => broker.port === failed);
    const next = at < 0 ? this.random.pick(machines) : machines[(at + 1) % machines.length];
    return next.broker.port;
  }

  lifeOf(port: number): string {
    return this.machines.find(({ broker }) => broker.port === port)?.life ?? '';
  }

  processOf(port: number): string {
    return this.machines.find(({ broker }) => broker.port === port)?.process ?? '';
  }

  onAttempt(clientId: string, port: number): void {
    this.meter.onAttempt(clientId, port, performance.now());
  }

  onWelcome(clientId: string, port: number): void {
    this.meter.onWelcome(clientId, port, performance.now());
  }
}
