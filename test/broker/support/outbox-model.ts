/** What `Outbox` must do, slowly and obviously: one list of messages that are not done. */
import * as assert from 'uvu/assert';
import { Outbox } from '../../../src/broker/outbox.js';
import { OutboxEntry } from '../../../src/broker/outbox-entry.js';
import { SharedGroup } from '../../../src/broker/shared-group.js';
import type { Message } from '../../../src/protocol/message.js';
import { messageTo } from './builders.js';

const IDS = 65_535;

interface Item {
  readonly message: Message;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly ids: readonly number[] | null;
  readonly group: SharedGroup | null;
  state: 'queued' | 'sent' | 'released';
  wasSent: boolean;
  /** 0: not sent yet. */
  packetId: number;
}

export interface Added {
  readonly qos: 0 | 1 | 2;
  readonly size: number;
  readonly retain: boolean;
  readonly hasIds: boolean;
  readonly isShared: boolean;
}

/** An outbox and its model, kept in step; every call checks that both agree. */
export class CheckedOutbox {
  readonly outbox = new Outbox();
  private items: Item[] = [];
  private count = 0;
  private readonly inflightMax: number;
  private readonly group = new SharedGroup('g', 'a');
  private readonly entry = new OutboxEntry();

  constructor(inflightMax: number) {
    this.inflightMax = inflightMax;
  }

  get inflight(): Item[] {
    return this.items.filter(({ state }) => state !== 'queued');
  }

  get queued(): Item[] {
    return this.items.filter(({ state }) => state === 'queued');
  }

  add(added: Added): void {
    const item = this.item(added);
    const { message, qos, retain, ids, group } = item;
    this.outbox.add(message, qos, retain, ids, group);
    this.items.push(item);
  }

  /** Sends at once where the outbox says that it may. */
  addSent(added: Added): void {
    const { outbox } = this;
    const hasRoom = this.queued.length === 0 && this.inflight.length < this.inflightMax;
    const maySend = outbox.canSendNow(this.inflightMax);
    if (maySend || !hasRoom) assert.is(maySend, hasRoom);
    else this.windowIsClosed();
    if (!maySend) return;
    const item = this.item({ ...added, qos: added.qos === 2 ? 2 : 1 });
    const { message, qos, retain, ids, group } = item;
    const seq = outbox.addSent(message, qos, retain, message.payloadLength);
    if (ids !== null) outbox.setIdsOf(seq, ids);
    if (group !== null) outbox.setGroupOf(seq, group);
    this.becomeSent(item, ((seq - 1) % IDS) + 1);
    this.items.push(item);
  }

  /** Takes the next message, to send it or to drop it. */
  takeNext(isDropped: boolean): void {
    const { outbox, entry } = this;
    const next = this.queued[0];
    const expected = next !== undefined && this.inflight.length < this.inflightMax;
    const found = outbox.peek(entry, this.inflightMax);
    if (expected && !found) {
      this.windowIsClosed();
      return;
    }
    assert.is(found, expected);
    if (!found) return;
    const item = next!;
    assert.is(entry.message, item.message);
    assert.equal(
      [entry.qos, entry.retain, entry.dup, entry.ids],
      [item.qos, item.retain, item.wasSent, item.ids],
    );
    if (item.wasSent) assert.is(entry.packetId, item.packetId, 'a resend has its old identifier');
    if (isDropped) outbox.becomeDropped(entry);
    else outbox.becomeSent(entry);
    if (isDropped || item.qos === 0) this.remove(item);
    else this.becomeSent(item, entry.packetId);
  }

  acknowledge(kind: 'puback' | 'pubrec' | 'refused' | 'pubcomp', packetId: number): void {
    const { outbox } = this;
    const item = this.inflight.find((candidate) => candidate.packetId === packetId);
    const { state, qos } = item ?? { state: 'none', qos: -1 };
    switch (kind) {
      case 'puback': {
        const isExpected = state === 'sent' && qos === 1;
        assert.is(outbox.onPuback(packetId), isExpected);
        if (isExpected) this.remove(item!);
        break;
      }
      case 'pubrec': {
        const isFirst = state === 'sent' && qos === 2;
        assert.is(outbox.onPubrec(packetId), isFirst || state === 'released');
        if (isFirst) item!.state = 'released';
        break;
      }
      case 'refused': {
        const isExpected = state === 'sent' && qos === 2;
        assert.is(outbox.onPubrecRefused(packetId), isExpected);
        if (isExpected) this.remove(item!);
        break;
      }
      case 'pubcomp':
        assert.is(outbox.onPubcomp(packetId), state === 'released');
        if (state === 'released') this.remove(item!);
    }
  }

  resume(): void {
    const released: number[] = [];
    this.outbox.resume((packetId) => released.push(packetId));
    const expected = this.items.filter(({ state }) => state === 'released');
    assert.equal(
      released,
      expected.map(({ packetId }) => packetId),
    );
    for (const item of this.items) {
      if (item.state !== 'sent') continue;
      item.state = 'queued';
      item.wasSent = true;
    }
  }

  dropOldest(): void {
    const oldest = this.queued.find(({ wasSent }) => !wasSent) ?? null;
    assert.is(this.outbox.dropOldest(), oldest?.message ?? null);
    if (oldest !== null) this.remove(oldest);
  }

  check(): void {
    const { outbox, items, queued, inflight } = this;
    const sum = (of: readonly Item[]): number =>
      of.reduce((total, { message }) => total + message.payloadLength, 0);
    assert.is(outbox.queued, queued.length);
    assert.is(outbox.queuedBytes, sum(queued));
    assert.is(outbox.inflight, inflight.length);
    const sent = inflight.filter(({ state }) => state === 'sent');
    assert.is(outbox.inflightBytes, sum(sent));
    const held = items.filter(({ state }) => state !== 'released');
    const visited: Message[] = [];
    outbox.forEachMessage((message) => visited.push(message));
    isSameList(visited, held);
    const undelivered = held.filter(
      ({ group, qos, state, wasSent }) =>
        group !== null && (qos < 2 || (state === 'queued' && !wasSent)),
    );
    const found = outbox.undelivered();
    isSameList(
      found.map(({ message }) => message),
      undelivered,
    );
    assert.ok(found.every(({ group }) => group === this.group));
    this.hasUniqueIdentifiers();
  }

  private hasUniqueIdentifiers(): void {
    const busy = this.items.filter(({ packetId }) => packetId > 0).map(({ packetId }) => packetId);
    assert.is(new Set(busy).size, busy.length, 'packet identifiers in use are unique');
    assert.ok(busy.every((packetId) => packetId <= IDS));
  }

  /** The only other reason not to send: 65 535 numbers lie between the oldest and the next. */
  private windowIsClosed(): void {
    const { outbox } = this;
    assert.ok(outbox.nextSeq - outbox.firstSeq >= IDS, 'nothing is sent without a reason');
    assert.ok(outbox.inflight > 0, 'a closed window opens again');
  }

  private item(added: Added): Item {
    const payload = String(this.count++).padEnd(added.size, '.');
    return {
      message: messageTo('a', payload, added.qos),
      qos: added.qos,
      retain: added.retain,
      ids: added.hasIds ? [this.count] : null,
      group: added.isShared ? this.group : null,
      state: 'queued',
      wasSent: false,
      packetId: 0,
    };
  }

  private becomeSent(item: Item, packetId: number): void {
    item.state = 'sent';
    item.packetId = packetId;
    this.hasUniqueIdentifiers();
  }

  private remove(item: Item): void {
    this.items.splice(this.items.indexOf(item), 1);
  }
}

function isSameList(actual: readonly Message[], expected: readonly Item[]): void {
  assert.is(actual.length, expected.length);
  assert.ok(
    expected.every(({ message }, index) => message === actual[index]),
    'in their order',
  );
}

/** Uses up numbers, so that the next ones come round to identifiers that were used before. */
export function useUpNumbers({ outbox }: CheckedOutbox, count: number): void {
  for (let used = 0; used < count; used++) {
    const seq = outbox.addSent(null, 1, false, 0);
    outbox.onPuback(((seq - 1) % IDS) + 1);
  }
}
