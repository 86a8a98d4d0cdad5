/** Looks at what `crash-child.js` has left behind. */
import * as assert from 'uvu/assert';
import { systemClock } from '../../../src/base/clock.js';
import { silentLog } from '../../../src/base/log.js';
import { DiskStore } from '../../../src/store/disk/disk-store.js';
import type { Claim, QueuedRecord } from '../../../src/store/store.js';
import { Heard, Loaded, StoreDriver } from '../support/driver.js';
import { messagesOfBatch, publisher, subscribers } from './crash-batches.js';

/** What the process said last. */
export interface Said {
  readonly safe: number;
  readonly settled: number;
}

/** @param where begins the message when something is wrong */
export async function checkBatches(folder: string, said: Said, where: string): Promise<void> {
  const store = new DiskStore({ folder, sync: 'no', clock: systemClock, log: silentLog });
  const loaded = new Loaded();
  const heard = new Heard();
  await store.open(loaded, heard);
  try {
    const driver = new StoreDriver(store);
    const { held, nextNumber } = await driver.claim(publisher);
    const last = nextNumber - 1;
    assert.ok(last >= said.safe, `${where}: batch ${said.safe} was safe, ${last} is the last`);
    assert.is(held.at(-1)?.number ?? 0, last, where);
    assert.is(loaded.retained.get('last') ?? '0', String(last), where);
    for (const clientId of subscribers) {
      const claim = await driver.claim(clientId);
      checkQueue(claim, await driver.records(clientId, 1, 1_000_000), last, where);
      if (clientId === subscribers[0]) assert.ok(claim.firstSeq >= said.settled, where);
      else assert.is(claim.firstSeq, 1, where);
    }
    assert.equal(heard.fatal, [], where);
  } finally {
    await store.close();
  }
}

/** Batch by batch, all of each, from `firstSeq` to the end. */
function checkQueue(
  { firstSeq, endSeq }: Claim,
  records: readonly QueuedRecord[],
  last: number,
  where: string,
): void {
  assert.is(records.length, endSeq - firstSeq, where);
  let seq = 1;
  let index = 0;
  for (let batch = 1; batch <= last; batch++) {
    for (let count = 0; count < messagesOfBatch(batch); count++, seq++) {
      if (seq < firstSeq) continue;
      const found = records[index++];
      const isIt = found?.seq === seq && found.record.toString('latin1').startsWith(`${batch} `);
      assert.ok(isIt, `${where}: message ${seq} of batch ${batch}`);
    }
  }
  assert.is(seq, endSeq, where);
}
