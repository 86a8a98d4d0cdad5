/**
 * A large, repeatable set of subscriptions: devices at sites, `s/<site>/d/<device>/k/<kind>`,
 * watched one value at a time, by device, by kind or across sites.
 *
 * The number of devices grows with the set, so that a topic matches about as many subscriptions
 * in a large set as in a small one: what the report shows is the cost of size alone.
 */
import { type Prng, XorShift32 } from '../../src/base/prng.js';
import type { Session } from '../../src/broker/session.js';
import { Subscription } from '../../src/broker/subscription.js';
import type { SubscriptionIndex } from '../../src/broker/subscription-index.js';

const SITES = 1000;
const KINDS = 10;
const SUBSCRIPTIONS_PER_DEVICE = 10;
const SUBSCRIPTIONS_PER_SESSION = 10;
const CHUNK = 10_000;

/** Share of each form in a hundred; what is left is exact. */
const forms: readonly { readonly percent: number; readonly make: typeof exactFilter }[] = [
  { percent: 50, make: exactFilter },
  { percent: 20, make: (device) => `s/${device % SITES}/d/${device}/#` },
  { percent: 15, make: (device, kind) => `s/${device % SITES}/d/+/k/${device}-${kind}` },
  { percent: 10, make: (device, kind) => `s/+/d/${device}/k/${kind}` },
  { percent: 5, make: (device) => `+/${device % SITES}/+/${device}/#` },
];

export class SubscriptionSet {
  private readonly devices: number;
  private readonly prng: Prng;

  constructor(size: number, seed = 42) {
    this.devices = Math.max(1, Math.floor(size / SUBSCRIPTIONS_PER_DEVICE));
    this.prng = new XorShift32(seed);
  }

  /**
   * Adds `count` subscriptions, each with its filter string as a decoder would make it. Returns
   * the milliseconds that the index took, without the making of filters.
   */
  addTo(index: SubscriptionIndex, count: number): number {
    let tookMs = 0;
    for (let done = 0; done < count; done += CHUNK) {
      const chunk = this.chunk(Math.min(CHUNK, count - done));
      const startedMs = performance.now();
      for (const subscription of chunk) index.add(subscription.filter, subscription);
      tookMs += performance.now() - startedMs;
    }
    return tookMs;
  }

  private chunk(size: number): Subscription[] {
    let session = newSession();
    return Array.from({ length: size }, (_, i) => {
      if (i % SUBSCRIPTIONS_PER_SESSION === 0) session = newSession();
      return new Subscription(session, this.filter(), 1, false, false, null, null);
    });
  }

  /** A topic of one of the set's devices. */
  deviceTopic(): string {
    return asDecoded(exactFilter(this.prng.below(this.devices), this.prng.below(KINDS)));
  }

  /** A topic of the same form that only filters for all devices of a site could match. */
  unknownDeviceTopic(): string {
    const device = this.devices + this.prng.below(this.devices);
    return asDecoded(exactFilter(device, this.prng.below(KINDS)));
  }

  /** A topic that leaves the tree at its first level. */
  strangeTopic(): string {
    return asDecoded(`other/${this.prng.below(0x7fffffff)}/value`);
  }

  private filter(): string {
    const device = this.prng.below(this.devices);
    const kind = this.prng.below(KINDS);
    let draw = this.prng.below(100);
    for (const { percent, make } of forms) {
      if (draw < percent) return asDecoded(make(device, kind));
      draw -= percent;
    }
    return asDecoded(exactFilter(device, kind));
  }
}

/**
 * The index only compares sessions, so a stand-in does; what a session itself costs is another
 * figure.
 */
export function newSession(): Session {
  return {} as unknown as Session;
}

function exactFilter(device: number, kind: number): string {
  return `s/${device % SITES}/d/${device}/k/${kind}`;
}

/** A flat string, as it comes out of a packet; concatenation would leave a tree of pieces. */
function asDecoded(text: string): string {
  return Buffer.from(text).toString('utf8');
}
