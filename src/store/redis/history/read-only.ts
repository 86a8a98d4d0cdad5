/** The history of a Redis for somebody who is no broker: nothing is written there. */
import type { Clock } from '../../../base/clock.js';
import { BrokerError } from '../../../base/errors.js';
import type { HistoryReading, PresenceEvent, PresenceFields } from '../../history.js';
import { type Address, addressText, type Login } from '../connection.js';
import { EVENTS_TAG, HISTORY_TAG, Keys } from '../keys.js';
import type { RedisStoreOptions } from '../options.js';
import { Reader, type ReaderHome } from '../reader.js';
import { slotOf } from '../slot.js';
import { askTopology, type Topology } from '../topology.js';
import { ASK_MS, TICK_MS } from '../tuning.js';
import { type StreamEntry, takenMsOf } from './entry.js';
import { HistoryReader } from './history-reader.js';
import { STEP_ENTRIES_MAX } from './limits.js';
import { checkFormat } from './redis-history.js';

export type ReadOnlyOptions = Pick<
  RedisStoreOptions,
  'nodes' | 'username' | 'password' | 'tls' | 'prefix'
> & { readonly clock: Clock };

export class ReadOnlyHistory {
  private readonly reader: Reader;
  private readonly keys: Keys;
  private readonly slots: Slots;
  private readonly ticker: NodeJS.Timeout;

  private constructor(slots: Slots, prefix: string) {
    this.slots = slots;
    this.keys = new Keys(prefix);
    this.reader = new Reader(slots);
    this.ticker = setInterval(() => this.reader.tick(), TICK_MS);
  }

  /** @throws BrokerError when none of the nodes can be asked */
  static async open(options: ReadOnlyOptions): Promise<ReadOnlyHistory> {
    const { clock, nodes, password, tls, username } = options;
    const login = { username, password, tls, name: 'tidewire:history' };
    const slots = new Slots(
      nodes.map(([host, port]) => ({ host, port })),
      login,
      clock,
    );
    await slots.load();
    return new ReadOnlyHistory(slots, options.prefix);
  }

  /** Null: no broker has begun one. @throws BrokerError */
  async messages(): Promise<HistoryReading | null> {
    const slot = slotOf(HISTORY_TAG);
    const question = ['HMGET', this.keys.historyMeta(), 'partitions', 'format'];
    const [reply] = await this.reader.ask(slot, [question], ASK_MS);
    const [partitions, format] = reply as readonly (Buffer | null)[];
    if (partitions == null || format == null) return null;
    checkFormat(Number(format));
    return new HistoryReader(this.reader, this.keys, Number(partitions));
  }

  /**
   * Presence events between two times, both included, ascending, in steps.
   *
   * @param last only so many, the latest; 0: all
   */
  async *events(
    sinceMs: number,
    untilMs: number,
    last: number,
  ): AsyncGenerator<readonly PresenceEvent[]> {
    if (last > 0) {
      const found = await this.eventsFrom('XREVRANGE', idBefore(untilMs), idOf(sinceMs), last);
      yield found.map(eventOf).reverse();
      return;
    }
    for (let from = idOf(sinceMs); ; ) {
      const found = await this.eventsFrom('XRANGE', from, idBefore(untilMs), STEP_ENTRIES_MAX);
      if (found.length > 0) yield found.map(eventOf);
      if (found.length < STEP_ENTRIES_MAX) return;
      from = `(${String(found.at(-1)![0])}`;
    }
  }

  close(): void {
    clearInterval(this.ticker);
    this.slots.isClosed = true;
    this.reader.close();
  }

  private async eventsFrom(
    command: string,
    from: string,
    to: string,
    count: number,
  ): Promise<readonly StreamEntry[]> {
    const key = this.keys.events('log');
    const question = [command, key, from, to, 'COUNT', String(count)];
    const [reply] = await this.reader.ask(slotOf(EVENTS_TAG), [question], ASK_MS);
    return reply as readonly StreamEntry[];
  }
}

/** Who serves which slot, as it was when it was asked. */
class Slots implements ReaderHome {
  readonly options: { readonly clock: Clock };
  readonly login: Login;
  isClosed = false;
  private nodes: readonly Address[];
  private topology: Topology | null = null;
  private readonly moved = new Map<number, Address>();

  constructor(nodes: readonly Address[], login: Login, clock: Clock) {
    this.nodes = nodes;
    this.login = login;
    this.options = { clock };
  }

  /** @throws BrokerError `REDIS_CONNECT` */
  async load(): Promise<void> {
    const topology = await askTopology(this.nodes, 0, this.login, this.options.clock);
    this.topology = topology;
    const known = new Set(topology.nodes.map(addressText));
    const others = this.nodes.filter((node) => !known.has(addressText(node)));
    this.nodes = [...topology.nodes, ...others];
    this.moved.clear();
  }

  addressOf(slot: number): Address | null {
    const moved = this.moved.get(slot);
    if (moved !== undefined || this.topology === null) return moved ?? null;
    return this.topology.primaries[this.topology.slots[slot]!] ?? null;
  }

  onMoved(slot: number, to: Address): void {
    this.moved.set(slot, to);
  }

  refresh(): void {
    this.load().catch((error: unknown) => {
      // Whoever asks hears of it: what is known stays.
      if (!(error instanceof BrokerError)) throw error;
    });
  }
}

function eventOf([id, parts]: StreamEntry): PresenceEvent {
  const fields: Record<string, string> = {};
  for (let at = 0; at < parts.length; at += 2) fields[String(parts[at])] = String(parts[at + 1]);
  return { timeMs: takenMsOf(id), fields: fields as PresenceFields };
}

function idOf(ms: number): string {
  return String(Math.max(0, Math.ceil(ms)));
}

function idBefore(ms: number): string {
  return ms === Number.POSITIVE_INFINITY ? '+' : idOf(Math.floor(ms));
}
