/**
 * Follows the log of one shard of the replicated maps: tells the core what others changed, and
 * others how far this broker is.
 *
 *     place ──entry with the next number──▶ place + 1
 *       └──a gap, or a log that is not the one it was──▶ load the shard anew, tell the difference
 *
 * The place is a number and its chain (`scripts/map.ts`): with every new connection the log is
 * asked whether it still has that entry. Entries of this broker count, but are told to nobody: the
 * core knows. What has to be asked for before an entry can be told is asked first; nothing of a
 * batch is told before all of that is there, so that a batch can be repeated.
 */
import { BrokerError } from '../../../base/errors.js';
import { mapTag } from '../keys.js';
import { decodeField, entryOf, type MapEntry, type MapName } from '../map-entries.js';
import { slotOf } from '../slot.js';
import { ASK_MS, FOLLOW_SESSIONS, LOG_READ_ENTRIES, OPEN_MS } from '../tuning.js';
import type { FabricHome } from './fabric-home.js';
import { type Change, type LogEntry, readLogEntry } from './log-entry.js';
import { type Mark, marksOf, type Place, placeOf, scanShard } from './map-scan.js';
import { MapTable } from './map-table.js';
import { type StreamEntry, StreamReader, type StreamSink } from './stream-reader.js';

/** What followers tell. */
export interface FollowerEvents {
  isOwnWriter(writer: string): boolean;
  /** Another broker's entry, or a later one in its place. */
  onEntry(entry: MapEntry): void;
  /** It is gone. @param epoch of who deleted it; 0: unknown */
  onGone(name: MapName, epoch: number): void;
  /** All calls of a writer up to this one are applied, and it may want to know. */
  onApplied(writer: string, shard: number, call: number): void;
  /** Redis lost the shard: what is known here stays. */
  onShardLost(shard: number): void;
}

/** Writers whose last call is remembered; the one longest silent goes first. */
const WRITERS_MAX = 64;
/** Last places that are remembered: who asks about an earlier one has to ask in another way. */
const PLACES_MAX = 512;
const nothing = Buffer.alloc(0);

export class Follower implements StreamSink {
  readonly table = new MapTable();
  /** Times that the shard was loaded anew. */
  reloads = 0;
  private readonly shard: number;
  private readonly home: FabricHome;
  private readonly events: FollowerEvents;
  private readonly reader: StreamReader;
  private readonly keys: { readonly m: string; readonly log: string; readonly w: string };
  private place: Place = { entry: 0, chain: '' };
  private mustReload = false;
  /** Last call of each writer that is applied, where it may be waited for. */
  private readonly calls = new Map<string, number>();
  /** Last call of this broker that came along. */
  private ownCall = 0;
  private waiting: { readonly call: number; readonly onDone: () => void }[] = [];
  private awaited: { readonly place: Place; readonly onDone: (isSame: boolean) => void }[] = [];
  /** The last places, each at its number modulo `PLACES_MAX`. */
  private readonly places: (Place | undefined)[] = [];

  constructor(home: FabricHome, shard: number, events: FollowerEvents) {
    this.home = home;
    this.shard = shard;
    this.events = events;
    const { cluster, keys } = home;
    this.keys = { m: keys.map(shard, 'm'), log: keys.map(shard, 'log'), w: keys.map(shard, 'w') };
    const place = { slot: slotOf(mapTag(shard)), key: this.keys.log, count: LOG_READ_ENTRIES };
    this.reader = new StreamReader(cluster, place, this, (error) => home.onFatal(error));
  }

  /** Before the shard is loaded: the log is followed from here on. @throws BrokerError */
  async mark(): Promise<void> {
    const question = ['HGETALL', this.keys.w];
    const [reply] = await this.home.reader.ask(this.reader.slot, [question], OPEN_MS);
    const { calls, place } = marksOf(reply);
    this.moveTo(place);
    this.remember(calls);
  }

  /** Where the log ends now. @throws BrokerError `STORE_AWAY` */
  async askEnd(): Promise<Place> {
    const question = ['HGET', this.keys.w, '#'];
    const [reply] = await this.home.reader.ask(this.reader.slot, [question], ASK_MS);
    return placeOf(reply === null ? ':' : String(reply));
  }

  /**
   * Calls back when the log was followed up to there.
   *
   * @param onDone false: it is not known whether that is a place of the same log
   */
  whenAt(place: Place, onDone: (isSame: boolean) => void): void {
    if (place.entry <= this.place.entry) onDone(this.hasBeenAt(place));
    else this.awaited.push({ place, onDone });
  }

  start(): void {
    this.own?.reach(this.place.entry);
    this.reader.start();
  }

  stop(): void {
    this.reader.stop();
  }

  tick(): void {
    this.reader.tick();
  }

  /** Calls back when a call of this broker came along, and so everything before it. */
  whenSeen(call: number, onDone: () => void): void {
    if (call <= this.ownCall) onDone();
    else this.waiting.push({ call, onDone });
  }

  /** The last call of a writer that is applied here; 0: none is known. */
  callOf(writer: string): number {
    return this.calls.get(writer) ?? 0;
  }

  async begin(ask: (...parts: readonly string[]) => Promise<unknown>): Promise<string> {
    const { entry } = this.place;
    if (this.mustReload || !(await this.isSameLog(ask))) await this.reload(ask);
    else if (entry === 0) return '0-0';
    return `${this.place.entry}-0`;
  }

  async take(entries: readonly StreamEntry[]): Promise<string> {
    const some: LogEntry[] = [];
    for (const one of entries) {
      const entry = readLogEntry(one);
      if (entry?.entry !== this.place.entry + some.length + 1) {
        this.mustReload = true;
        throw new BrokerError('MAP_GAP', 'an entry of the map is missing, or of another version');
      }
      some.push(entry);
    }
    const values = await this.fetch(some);
    await this.loadSessions(some.flatMap((one) => this.unknownIn(one)));
    for (const one of some) this.apply(one, values);
    this.settle(some);
    return entries[entries.length - 1]!.id;
  }

  trim(): null {
    return null;
  }

  private get own() {
    return this.home.maps.own[this.shard] ?? null;
  }

  /** True when the entry of the last place is still the same, so that all before it are. */
  private async isSameLog(
    ask: (...parts: readonly string[]) => Promise<unknown>,
  ): Promise<boolean> {
    const { chain, entry } = this.place;
    const { place } = marksOf(await ask('HGETALL', this.keys.w));
    if (place.entry === entry) return place.chain === chain;
    if (place.entry < entry) return false;
    if (entry === 0) return true;
    const id = `${entry}-0`;
    const [found] = (await ask('XRANGE', this.keys.log, id, id)) as readonly unknown[];
    if (found === undefined) return false;
    const [, fields] = found as readonly [Buffer, readonly Buffer[]];
    return readLogEntry({ id, fields })?.chain === chain;
  }

  /** Large values, by field. */
  private async fetch(entries: readonly LogEntry[]): Promise<ReadonlyMap<string, Buffer | null>> {
    const fields = entries
      .filter(({ writer }) => !this.events.isOwnWriter(writer))
      .flatMap(({ changes }) => changes)
      .filter(({ isLarge }) => isLarge)
      .map(({ field }) => field);
    const values = new Map<string, Buffer | null>();
    if (fields.length === 0) return values;
    const questions = fields.map((field) => ['HGET', this.keys.m, field]);
    const replies = await this.home.reader.ask(this.reader.slot, questions, ASK_MS);
    for (const [index, field] of fields.entries()) {
      values.set(field.toString('latin1'), replies[index] as Buffer | null);
    }
    return values;
  }

  /** Sessions of other brokers that have their first subscription. */
  private unknownIn({ changes, writer }: LogEntry): string[] {
    if (this.events.isOwnWriter(writer)) return [];
    return changes.flatMap(({ field, value }) => {
      const name = value === null ? null : decodeField(field);
      return name?.kind === 'subscription' && this.isUnknown(name.clientId) ? [name.clientId] : [];
    });
  }

  private isUnknown(clientId: string): boolean {
    return !this.table.hasSession(clientId) && this.home.birthOf(clientId) === 0;
  }

  private async loadSessions(names: readonly string[]): Promise<void> {
    const asked = [...new Set(names)];
    for (let at = 0; at < asked.length; at += FOLLOW_SESSIONS) {
      const some = asked.slice(at, at + FOLLOW_SESSIONS);
      await Promise.all(some.map((clientId) => this.home.loadSession(clientId)));
    }
  }

  private apply(one: LogEntry, values: ReadonlyMap<string, Buffer | null>): void {
    const isOwn = this.events.isOwnWriter(one.writer);
    for (const change of one.changes) this.applyChange(change, one.entry, isOwn, values);
    this.moveTo({ entry: one.entry, chain: one.chain });
    if (isOwn) this.ownCall = Math.max(this.ownCall, one.call);
  }

  private applyChange(
    { field, isLarge, value, epoch }: Change,
    entry: number,
    isOwn: boolean,
    values: ReadonlyMap<string, Buffer | null>,
  ): void {
    const name = decodeField(field);
    if (name === null) return;
    if (isOwn) {
      this.applyOwn(name, value, isLarge);
      return;
    }
    const known = isLarge ? (values.get(field.toString('latin1')) ?? null) : value;
    if (known !== null) {
      const one = entryOf(name, known);
      if (one !== null) this.put(one, entry);
      return;
    }
    // A large value that is gone by now: its deletion comes later in the log, and is told then.
    if (isLarge) return;
    this.table.remove(name);
    if (name.kind === 'retained' && this.own?.accepts(name.topic, null, entry) === false) return;
    this.events.onGone(name, epoch);
  }

  private applyOwn(name: MapName, value: Buffer | null, isLarge: boolean): void {
    if (name.kind === 'retained' && isLarge) this.table.put({ ...name, record: nothing });
    const entry = value === null ? null : entryOf(name, value);
    if (entry !== null) this.table.put(entry);
    else if (!isLarge) this.table.remove(name);
  }

  private put(entry: MapEntry, at: number): void {
    this.table.put(entry);
    if (entry.kind === 'retained') {
      if (this.own?.accepts(entry.topic, entry.record, at) === false) return;
    }
    this.events.onEntry(entry);
  }

  /** After a batch: who waits for what. */
  private settle(entries: readonly LogEntry[]): void {
    this.own?.reach(this.place.entry);
    const calls = new Map<string, number>();
    for (const { call, changes, writer } of entries) {
      if (this.events.isOwnWriter(writer)) continue;
      // Nobody waits for retained messages to be seen.
      if (changes.length > 0 && changes.every(isRetained)) continue;
      calls.set(writer, call);
    }
    this.remember(calls);
    for (const [writer, call] of calls) this.events.onApplied(writer, this.shard, call);
    this.wake();
  }

  private moveTo(place: Place): void {
    this.place = place;
    this.places[place.entry % PLACES_MAX] = place;
  }

  private hasBeenAt({ chain, entry }: Place): boolean {
    const place = this.places[entry % PLACES_MAX];
    return entry === 0 || (place?.entry === entry && place.chain === chain);
  }

  private wake(): void {
    const { entry } = this.place;
    const there = this.awaited.filter(({ place }) => place.entry <= entry);
    this.awaited = this.awaited.filter(({ place }) => place.entry > entry);
    for (const { onDone, place } of there) onDone(this.hasBeenAt(place));
    const done = this.waiting.filter(({ call }) => call <= this.ownCall);
    this.waiting = this.waiting.filter(({ call }) => call > this.ownCall);
    for (const { onDone } of done) onDone();
  }

  private remember(calls: ReadonlyMap<string, number>): void {
    for (const [writer, call] of calls) {
      this.calls.delete(writer);
      this.calls.set(writer, call);
      if (this.calls.size <= WRITERS_MAX) continue;
      const [first] = this.calls.keys();
      this.calls.delete(first!);
    }
  }

  /** Loads the shard anew. The log is followed from where that began. */
  private async reload(ask: (...parts: readonly string[]) => Promise<unknown>): Promise<void> {
    const mark = marksOf(await ask('HGETALL', this.keys.w));
    this.home.options.log.write('notice', 'a shard of the maps is loaded anew', {
      shard: this.shard,
      from: this.place.entry,
      to: mark.place.entry,
    });
    if (mark.place.entry === 0 && this.place.entry > 0) {
      this.becomeReloaded(mark);
      this.events.onShardLost(this.shard);
      return;
    }
    // What others have written again is there already.
    const isLost = await this.isAnotherLog(ask, mark.place.entry);
    this.own?.restart();
    const fresh = new MapTable();
    await scanShard(ask, this.keys.m, async (entries) => {
      const names = entries.flatMap((one) =>
        one.kind === 'subscription' && this.isUnknown(one.clientId) ? [one.clientId] : [],
      );
      await this.loadSessions(names);
      for (const one of entries) {
        fresh.put(one);
        this.put(one, mark.place.entry);
      }
    });
    const gone = isLost ? [] : [...this.table.names()].filter((name) => !fresh.has(name));
    for (const name of gone) this.forget(name, mark);
    this.becomeReloaded(mark);
    if (isLost) this.events.onShardLost(this.shard);
  }

  /** True for a log that begins at its beginning, and has nothing of what was read here before. */
  private async isAnotherLog(
    ask: (...parts: readonly string[]) => Promise<unknown>,
    end: number,
  ): Promise<boolean> {
    if (this.place.entry === 0) return false;
    const { log } = this.keys;
    const [first] = rangeOf(await ask('XRANGE', log, '-', '+', 'COUNT', '1'));
    if (first === undefined || !first.id.startsWith('1-')) return false;
    const from = String(Math.max(1, end - PLACES_MAX + 1));
    const last = rangeOf(await ask('XRANGE', log, from, '+', 'COUNT', String(PLACES_MAX)));
    return !last.some((one) => {
      const entry = readLogEntry(one);
      return entry !== null && this.hasBeenAt({ entry: entry.entry, chain: entry.chain });
    });
  }

  private forget(name: MapName, { place }: Mark): void {
    const epoch = name.kind === 'subscription' ? this.table.epochOf(name.clientId) : 0;
    this.table.remove(name);
    if (name.kind === 'retained') {
      if (this.own?.accepts(name.topic, null, place.entry) === false) return;
    }
    this.events.onGone(name, epoch);
  }

  private becomeReloaded({ calls, place }: Mark): void {
    this.reloads++;
    this.mustReload = false;
    this.moveTo(place);
    this.own?.reach(place.entry);
    this.remember(calls);
    for (const [writer, call] of calls) {
      if (this.events.isOwnWriter(writer)) this.ownCall = Math.max(this.ownCall, call);
      else this.events.onApplied(writer, this.shard, call);
    }
    this.wake();
  }
}

function isRetained({ field }: Change): boolean {
  return field[0] === 0x72;
}

function rangeOf(reply: unknown): StreamEntry[] {
  return (reply as readonly (readonly [Buffer, readonly Buffer[]])[]).map(([id, fields]) => ({
    id: String(id),
    fields,
  }));
}
