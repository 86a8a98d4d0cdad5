/**
 * Loads what a broker must know before the first client comes: durable sessions, their
 * subscriptions, retained messages. Scans in steps; only here.
 *
 * Sessions come from two places: the list of offline ones, and those that the map has subscriptions
 * of, which may be connected elsewhere. Those whose broker died are on the list by then, if that
 * was an earlier life of this one. What is found to be left over is cleaned up on the way, as far
 * as nobody has changed it meanwhile.
 */
import type { StoredSubscription, StoreLoader } from '../store.js';
import type { Correction } from './correct-call.js';
import { type Keys, mapTag, offlineTag, sessionTag } from './keys.js';
import { decodeEntry, decodeOptions, type MapEntry } from './map-entries.js';
import type { Maps } from './maps.js';
import type { Ownership } from './ownership.js';
import type { Reader } from './reader.js';
import { OFF_THE_LIST } from './scripts/offline.js';
import type { LaneTask } from './session-lane.js';
import { loaded, purged } from './session-tasks.js';
import { slotOf } from './slot.js';
import { decodeLoaded, type LoadedSession } from './stored-answer.js';
import { LOAD_SESSIONS, OPEN_MS, SCAN_BYTES, SCAN_COUNT, SHARDS } from './tuning.js';

export interface LoadTools {
  readonly keys: Keys;
  readonly reader: Reader;
  readonly ownership: Ownership;
  readonly maps: Maps;
  /** Hears of each entry of the maps. */
  onEntry(entry: MapEntry): void;
  /** Hands a task to a session's lane. */
  askSession(clientId: string, task: LaneTask): void;
}

type MapSubscription = Extract<MapEntry, { kind: 'subscription' }>;

/** @throws BrokerError `STORE_AWAY` */
export async function loadStore(loader: StoreLoader, tools: LoadTools): Promise<void> {
  await new Loading(loader, tools).run();
}

/** How is this session? Null: there is none. */
export async function askSession(
  clientId: string,
  ask: LoadTools['askSession'],
): Promise<LoadedSession | null> {
  const answer = await new Promise<unknown>((resolve) => ask(clientId, loaded(resolve)));
  return decodeLoaded(clientId, answer);
}

class Loading {
  private readonly loader: StoreLoader;
  private readonly tools: LoadTools;
  /** True: it exists, and the core knows it. */
  private readonly known = new Map<string, boolean>();
  /** Transient clients of whom only a will is left: see `Adoptions`. */
  private readonly wills = new Set<string>();

  constructor(loader: StoreLoader, tools: LoadTools) {
    this.loader = loader;
    this.tools = tools;
  }

  async run(): Promise<void> {
    const shards = Array.from({ length: SHARDS }, (_, shard) => shard);
    await Promise.all(shards.map((shard) => this.loadOffline(shard)));
    await Promise.all(shards.map((shard) => this.loadMap(shard)));
  }

  private loadOffline(shard: number): Promise<void> {
    const { keys, ownership } = this.tools;
    const slot = slotOf(offlineTag(shard));
    return this.scan('ZSCAN', slot, keys.offline(shard, 'z'), async (parts) => {
      const names: string[] = [];
      for (let at = 0; at < parts.length; at += 2) names.push(String(parts[at]));
      await this.announce(names, true);
      const gone: Correction[] = [];
      for (const [index, clientId] of names.entries()) {
        if (this.known.get(clientId) || this.wills.has(clientId)) continue;
        gone.push({ clientId, score: String(parts[2 * index + 1]), newScore: OFF_THE_LIST });
      }
      ownership.correct(shard, gone);
    });
  }

  private loadMap(shard: number): Promise<void> {
    const slot = slotOf(mapTag(shard));
    return this.scan('HSCAN', slot, this.tools.keys.map(shard, 'm'), async (parts) => {
      const unknown = new Map<string, MapSubscription[]>();
      for (let at = 0; at < parts.length; at += 2) {
        const entry = decodeEntry(parts[at]!, parts[at + 1]!);
        if (entry === null) continue;
        this.tools.onEntry(entry);
        if (entry.kind === 'retained') this.loader.onRetained(entry.topic, entry.record);
        if (entry.kind !== 'subscription') continue;
        if (this.known.get(entry.clientId)) {
          this.loader.onSubscription(entry.clientId, entry.subscription);
        } else {
          const list = unknown.get(entry.clientId) ?? [];
          if (list.push(entry) === 1) unknown.set(entry.clientId, list);
        }
      }
      await this.announce([...unknown.keys()], false);
      await Promise.all([...unknown].map(([clientId, list]) => this.takeIn(clientId, list)));
    });
  }

  /** Subscriptions of a session that nothing else knew of. */
  private async takeIn(clientId: string, entries: readonly MapSubscription[]): Promise<void> {
    if (!this.known.get(clientId)) {
      const gone = entries.map(({ subscription }) => subscription.filter);
      // Not those of a session that began meanwhile.
      const epoch = Math.max(...entries.map((entry) => entry.epoch));
      await this.remap(clientId, epoch, [], gone);
      return;
    }
    for (const { subscription } of entries) this.loader.onSubscription(clientId, subscription);
  }

  /**
   * Asks how these sessions are, and tells the core of those that exist.
   *
   * @param areListed as offline
   */
  private async announce(names: readonly string[], areListed: boolean): Promise<void> {
    const asked = names.filter((name) => !this.known.has(name));
    for (let at = 0; at < asked.length; at += LOAD_SESSIONS) {
      const some = asked.slice(at, at + LOAD_SESSIONS);
      await Promise.all(some.map((name) => this.announceOne(name, areListed)));
    }
  }

  private async announceOne(clientId: string, isListed: boolean): Promise<void> {
    const { ownership } = this.tools;
    const found = await askSession(clientId, (name, task) => this.tools.askSession(name, task));
    if (found === null) {
      this.known.set(clientId, false);
      return;
    }
    const { isOffline, isThere, isTransient, isUnmapped, session } = found;
    this.known.set(clientId, isThere && !isTransient);
    if (isTransient && isOffline) this.wills.add(clientId);
    if (!isThere || isUnmapped) await this.catchUp(clientId, isThere, session.epoch);
    if (!isThere || isTransient) return;
    this.loader.onSession(session);
    if (isOffline && !isListed) ownership.enlist(clientId, found.dueMs);
  }

  /** The map may not know what became of the session. */
  private async catchUp(clientId: string, isThere: boolean, epoch: number): Promise<void> {
    const { keys, reader } = this.tools;
    const tag = sessionTag(clientId);
    const questions = [['HGETALL', keys.session(tag, 's')]];
    const [reply] = await reader.ask(slotOf(tag), questions, OPEN_MS);
    const fields = reply as readonly Buffer[];
    const there: StoredSubscription[] = [];
    const gone: string[] = [];
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at]!.toString();
      if (name.startsWith('-')) gone.push(name.slice(1));
      if (!name.startsWith('+')) continue;
      there.push(decodeOptions(name.slice(1), fields[at + 1]!));
    }
    await this.remap(clientId, epoch, there, gone);
    if (isThere) return;
    this.tools.askSession(
      clientId,
      purged(epoch, () => undefined),
    );
  }

  /** Tells the map what a session has. */
  private remap(
    clientId: string,
    epoch: number,
    there: readonly StoredSubscription[],
    gone: readonly string[],
  ): Promise<void> {
    return new Promise((resolve) => {
      this.tools.maps.tell(clientId, epoch, there, gone, () => resolve());
    });
  }

  private async scan(
    command: 'ZSCAN' | 'HSCAN',
    slot: number,
    key: string,
    take: (parts: readonly Buffer[]) => Promise<void>,
  ): Promise<void> {
    let cursor = '0';
    let count = SCAN_COUNT;
    do {
      const question = [command, key, cursor, 'COUNT', String(count)];
      const [reply] = await this.tools.reader.ask(slot, [question], OPEN_MS);
      const [next, parts] = reply as readonly [Buffer, readonly Buffer[]];
      cursor = String(next);
      await take(parts);
      let bytes = 0;
      for (const part of parts) bytes += part.length;
      // Steps of about the same weight, whatever the entries weigh.
      if (bytes > SCAN_BYTES) count = Math.max(1, Math.floor(count / 2));
      else if (bytes < SCAN_BYTES / 4) count = Math.min(SCAN_COUNT, count * 2);
    } while (cursor !== '0');
  }
}
