/**
 * A process that writes until it is killed: `crash-child.js <folder> <sync> <seed>`. Prints
 *
 *     open            the store is open
 *     safe <n>        all of batch n is safe
 *     settled <seq>   what session s0 has acknowledged is safe, up to there
 *     fatal <code>    the store has failed; nothing follows
 *
 * Batch n puts the same messages into three queues, holds number n of the publisher, and retains n.
 */

import { systemClock } from '../../../src/base/clock.js';
import type { BrokerError } from '../../../src/base/errors.js';
import { silentLog } from '../../../src/base/log.js';
import { XorShift32 } from '../../../src/base/prng.js';
import { emptyWrite } from '../../../src/store/answers.js';
import { DiskStore } from '../../../src/store/disk/disk-store.js';
import type { SessionWrite } from '../../../src/store/store.js';
import { printLine } from '../../support/print-line.js';
import { Loaded, messageOf, noLimits, StoreDriver } from '../support/driver.js';
import { messagesOfBatch, publisher, subscribers } from './crash-batches.js';

const batchesInFlight = 4;

const [folder, sync, seed] = process.argv.slice(2);
const random = new XorShift32(Number(seed));
const store = new DiskStore({
  folder: folder!,
  sync: sync as 'always' | 'everysec' | 'no',
  clock: systemClock,
  log: silentLog,
  segmentBytes: 16 * 1024,
  databasePatienceMs: 10_000,
});
await store.open(new Loaded(), {
  onAway: () => undefined,
  onBack: () => undefined,
  onFatal: (error) => printLine(`fatal ${(error as BrokerError).code} ${error.message}`),
});
const driver = new StoreDriver(store);
const epochs = new Map<string, number>();
for (const clientId of subscribers) epochs.set(clientId, (await driver.claim(clientId)).epoch);
const claim = await driver.claim(publisher);
epochs.set(publisher, claim.epoch);
let next = claim.nextNumber;
let safeEnd = 1;
printLine('open');
for (let count = 0; count < batchesInFlight; count++) writeBatch();

function writeBatch(): void {
  const number = next++;
  let open = subscribers.length + 2;
  const onPartDone = () => {
    if (--open > 0) return;
    printLine(`safe ${number}`);
    // Sometimes at once, sometimes in a later turn.
    if (random.below(2) === 0) writeBatch();
    else setImmediate(writeBatch);
  };
  const size = random.below(20) === 0 ? 30_000 : random.below(200);
  const text = `${number} ${'.'.repeat(size)}`;
  const append = Array.from({ length: messagesOfBatch(number) }, () => messageOf(text));
  const sessions: SessionWrite[] = subscribers.map((clientId) => ({
    ...emptyWrite(clientId),
    append,
    limits: noLimits,
    onDone: ({ firstSeq }) => {
      safeEnd = firstSeq + append.length;
      onPartDone();
    },
  }));
  sessions.push({
    ...emptyWrite(publisher),
    epoch: epochs.get(publisher)!,
    held: [{ packetId: (number % 65_535) + 1, number }],
    forgotten: [((number + 65_525) % 65_535) + 1],
    onDone: onPartDone,
  });
  if (random.below(3) === 0) sessions.push(settle());
  const record = Buffer.from(String(number));
  store.write({
    sessions,
    retained: [{ topic: 'last', record, onlyExpired: false, onDone: onPartDone }],
  });
}

function settle(): SessionWrite {
  const clientId = subscribers[0]!;
  const firstSeq = Math.max(1, safeEnd - random.below(40));
  return {
    ...emptyWrite(clientId),
    epoch: epochs.get(clientId)!,
    nextSeq: firstSeq,
    settled: { firstSeq, done: [] },
    onDone: () => printLine(`settled ${firstSeq}`),
  };
}
