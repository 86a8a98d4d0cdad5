/**
 * Who may connect at all: connections in total, per listener and per address, and how many a
 * second. Decides only; the listener closes what is refused, at once and without an answer.
 */
import type { Clock } from '../base/clock.js';
import type { Limits } from '../config/limits.js';

/** Why a connection ended before the broker core saw it. Names of counters. */
export type RefusalReason =
  | 'paused'
  | 'broker_full'
  | 'listener_full'
  | 'address_full'
  | 'connect_rate'
  | 'proxy_header'
  | 'tls_handshake'
  | 'http_request'
  | 'timeout'
  | 'accept_error';

export type AdmissionLimits = Pick<
  Limits,
  'connectionsMax' | 'connectionsPerAddressMax' | 'connectRatePerSecond'
>;

/** One for all listeners of a broker. */
export class Admission {
  private limits: AdmissionLimits;
  private readonly clock: Clock;
  private total = 0;
  /** Connections per address, also while that is not limited: a reload may limit it. */
  private readonly perAddress = new Map<string, number>();
  /** Connections that may come at once; refilled over time up to one second's worth. */
  private tokens: number;
  private refilledAtMs: number;

  constructor(limits: AdmissionLimits, clock: Clock) {
    this.limits = limits;
    this.clock = clock;
    this.tokens = limits.connectRatePerSecond;
    this.refilledAtMs = clock.nowMs();
  }

  /** Connections that count now, on all listeners. */
  get connections(): number {
    return this.total;
  }

  /** New limits apply to new connections; nobody is thrown out. */
  setLimits(limits: AdmissionLimits): void {
    const rateBefore = this.limits.connectRatePerSecond;
    this.limits = limits;
    if (rateBefore === 0) {
      this.tokens = limits.connectRatePerSecond;
      this.refilledAtMs = this.clock.nowMs();
    }
    this.tokens = Math.min(this.tokens, limits.connectRatePerSecond);
  }

  /** Counts one more connection, or says why not. */
  enter(): RefusalReason | null {
    const { connectionsMax } = this.limits;
    if (connectionsMax >= 0 && this.total >= connectionsMax) return 'broker_full';
    if (!this.takeToken()) return 'connect_rate';
    this.total += 1;
    return null;
  }

  leave(): void {
    this.total -= 1;
  }

  /** Counts one more connection of an address. False: it has as many as it may have. */
  enterAddress(address: string): boolean {
    const max = this.limits.connectionsPerAddressMax;
    const count = this.perAddress.get(address) ?? 0;
    if (max > 0 && count >= max) return false;
    this.perAddress.set(address, count + 1);
    return true;
  }

  leaveAddress(address: string): void {
    const count = this.perAddress.get(address) ?? 0;
    if (count > 1) this.perAddress.set(address, count - 1);
    else this.perAddress.delete(address);
  }

  private takeToken(): boolean {
    const perSecond = this.limits.connectRatePerSecond;
    if (perSecond === 0) return true;
    const nowMs = this.clock.nowMs();
    const refill = ((nowMs - this.refilledAtMs) / 1_000) * perSecond;
    this.tokens = Math.min(perSecond, this.tokens + refill);
    this.refilledAtMs = nowMs;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}

/** One listener's share: its own maximum, and whether it accepts at all. */
export class ListenerAdmission {
  private readonly shared: Admission;
  private readonly connectionsMax: number;
  private count = 0;
  private isPaused = false;

  /** `connectionsMax` -1: no limit of its own. */
  constructor(shared: Admission, connectionsMax: number) {
    this.shared = shared;
    this.connectionsMax = connectionsMax;
  }

  get connections(): number {
    return this.count;
  }

  setPaused(isPaused: boolean): void {
    this.isPaused = isPaused;
  }

  enter(): RefusalReason | null {
    if (this.isPaused) return 'paused';
    if (this.connectionsMax >= 0 && this.count >= this.connectionsMax) return 'listener_full';
    const refusal = this.shared.enter();
    if (refusal === null) this.count += 1;
    return refusal;
  }

  /** After `enter`, as soon as the client's own address is known. */
  enterAddress(address: string): RefusalReason | null {
    return this.shared.enterAddress(address) ? null : 'address_full';
  }

  /** `address` is null when `enterAddress` was not called or refused. */
  leave(address: string | null): void {
    this.count -= 1;
    this.shared.leave();
    if (address !== null) this.shared.leaveAddress(address);
  }
}
