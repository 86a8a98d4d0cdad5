/**
 * Loads what a broker must know before the first client comes: sessions without a connection,
 * their subscriptions, retained messages. Scans in steps; only here.
 *
 * Sessions come from three places, since a crash may have kept one from any of them: those on
 * record as connected to this broker's predecessor, the list of offline ones, and those that the
 * map has subscriptions of. What is found to be left over is cleaned up on the way.
 */
import type { StoreLoader } from '../store.js';
import { type Keys, mapTag, nodeTag, offlineTag, sessionTag } from './keys.js';
import { decodeEntry, decodeOptions, type MapEntry } from './map-entries.js';
import type { RedisStoreOptions } from './options.js';
import type { Ownership } from './ownership.js';
import type { Reader } from './reader.js';
import { HeaderFlag } from './scripts/header.js';
import type { LaneTask } from './session-lane.js';
import { loaded, purged } from './session-tasks.js';
import { slotOf } from './slot.js';
import { LOAD_SESSIONS, OPEN_MS, SCAN_BYTES, SCAN_COUNT, SHARDS } from './tuning.js';

export interface LoadTools {
  readonly options: RedisStoreOptions;
  readonly keys: Keys;
  readonly reader: Reader;
  readonly ownership: Ownership;
  /** Now, by Redis' clock. */
  readonly nowMs: number;
  /** Hands a task to a session's lane. */
  askSession(clientId: string, task: LaneTask): void;
  /** Tells the map what a session has, and then the session that the map knows. */
  remap(
    clientId: string,
    there: readonly MapSubscription[],
    gone: readonly string[],
  ): Promise<void>;
}

export type MapSubscription = Extract<MapEntry, { kind: 'subscription' }>;

/** @throws BrokerError `STORE_AWAY` */
export async function loadStore(loader: StoreLoader, tools: LoadTools): Promise<void> {
  await new Loading(loader, tools).run();
}

class Loading {
  private readonly loader: StoreLoader;
  private readonly tools: LoadTools;
  /** True: it exists, and the core knows it. */
  private readonly known = new Map<string, boolean>();

  constructor(loader: StoreLoader, tools: LoadTools) {
    this.loader = loader;
    this.tools = tools;
  }

  async run(): Promise<void> {
    const { keys, options, ownership } = this.tools;
    const node = options.nodeName;
    await this.scan('SSCAN', slotOf(nodeTag(node)), keys.owned(node), async (members) => {
      const names = members.map(String);
      await this.announce(names);
      for (const name of names) if (!this.known.get(name)) ownership.release(name);
    });
    const shards = Array.from({ length: SHARDS }, (_, shard) => shard);
    await Promise.all(shards.map((shard) => this.loadOffline(shard)));
    await Promise.all(shards.map((shard) => this.loadMap(shard)));
  }

  private loadOffline(shard: number): Promise<void> {
    const { keys, ownership } = this.tools;
    const slot = slotOf(offlineTag(shard));
    return this.scan('ZSCAN', slot, keys.offline(shard), async (parts) => {
      const names = parts.filter((_, index) => index % 2 === 0).map(String);
      await this.announce(names);
      for (const name of names) if (!this.known.get(name)) ownership.strike(name);
    });
  }

  private loadMap(shard: number): Promise<void> {
    const slot = slotOf(mapTag(shard));
    return this.scan('HSCAN', slot, this.tools.keys.map(shard, 'm'), async (parts) => {
      const unknown = new Map<string, MapSubscription[]>();
      for (let at = 0; at < parts.length; at += 2) {
        const entry = decodeEntry(parts[at]!, parts[at + 1]!);
        if (entry === null) continue;
        if (entry.kind === 'retained') {
          this.loader.onRetained(entry.topic, entry.record);
          continue;
        }
        if (this.known.get(entry.clientId)) {
          this.loader.onSubscription(entry.clientId, entry.subscription);
        } else {
          const list = unknown.get(entry.clientId) ?? [];
          if (list.push(entry) === 1) unknown.set(entry.clientId, list);
        }
      }
      await this.announce([...unknown.keys()]);
      await Promise.all([...unknown].map(([clientId, list]) => this.adopt(clientId, list)));
    });
  }

  /** Subscriptions of a session that nothing else knew of. */
  private async adopt(clientId: string, entries: readonly MapSubscription[]): Promise<void> {
    if (!this.known.get(clientId)) {
      const gone = entries.map(({ subscription }) => subscription.filter);
      await this.tools.remap(clientId, [], gone);
      return;
    }
    for (const { subscription } of entries) this.loader.onSubscription(clientId, subscription);
  }

  /** Asks how these sessions are, and tells the core of those that exist. */
  private async announce(names: readonly string[]): Promise<void> {
    const asked = names.filter((name) => !this.known.has(name));
    for (let at = 0; at < asked.length; at += LOAD_SESSIONS) {
      const some = asked.slice(at, at + LOAD_SESSIONS);
      await Promise.all(some.map((name) => this.announceOne(name)));
    }
  }

  private async announceOne(clientId: string): Promise<void> {
    const { nowMs, options, ownership } = this.tools;
    const answer = await new Promise<unknown>((resolve) => {
      this.tools.askSession(clientId, loaded(options.nodeName, nowMs, resolve));
    });
    if (answer === null) {
      this.known.set(clientId, false);
      return;
    }
    const [flags, owner, info, over, will, willAt, isUnmapped, epoch, messages] =
      answer as readonly (Buffer | null)[];
    const hasEnded = Number(flags) >= HeaderFlag.Ended;
    this.known.set(clientId, !hasEnded);
    if (hasEnded || Number(isUnmapped) === 1) await this.catchUp(clientId, hasEnded, Number(epoch));
    if (hasEnded) return;
    const isOffline = String(owner) === '';
    const expiresAtMs = isOffline ? timeOf(over) : Number.POSITIVE_INFINITY;
    this.loader.onSession({
      clientId,
      epoch: Number(epoch),
      info: info ?? Buffer.alloc(0),
      expiresAtMs,
      will: isOffline ? (will ?? null) : null,
      willAtMs: isOffline ? timeOf(willAt) : Number.POSITIVE_INFINITY,
      messages: Number(messages),
    });
    if (isOffline) ownership.enlist(clientId, expiresAtMs, () => ownership.release(clientId));
  }

  /** The map may not know what became of the session. */
  private async catchUp(clientId: string, hasEnded: boolean, epoch: number): Promise<void> {
    const { keys, reader } = this.tools;
    const tag = sessionTag(clientId);
    const questions = [['HGETALL', keys.session(tag, 's')]];
    const [reply] = await reader.ask(slotOf(tag), questions, OPEN_MS);
    const fields = reply as readonly Buffer[];
    const there: MapSubscription[] = [];
    const gone: string[] = [];
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at]!.toString();
      if (name.startsWith('-')) gone.push(name.slice(1));
      if (!name.startsWith('+')) continue;
      const subscription = decodeOptions(name.slice(1), fields[at + 1]!);
      there.push({ kind: 'subscription', clientId, epoch, subscription });
    }
    await this.tools.remap(clientId, there, gone);
    if (hasEnded)
      this.tools.askSession(
        clientId,
        purged(epoch, () => undefined),
      );
  }

  private async scan(
    command: 'SSCAN' | 'ZSCAN' | 'HSCAN',
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

function timeOf(text: Buffer | null | undefined): number {
  const ms = Number(String(text ?? 'inf'));
  return Number.isNaN(ms) ? Number.POSITIVE_INFINITY : ms;
}
