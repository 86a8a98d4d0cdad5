import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PauseMeter } from './pause-meter.js';
import { replaceSection } from './report.js';
import { type Fault, Schedule, type StoreKind } from './schedule.js';

const test = suite('schedule of the fault suite');

function draw(seed: number, store: StoreKind, count: number): Fault[] {
  const schedule = new Schedule({ seed, store, stopMsMax: 1_000, calmMsMax: 500 });
  return Array.from({ length: count }, () => schedule.next());
}

test('a seed gives the same faults again, another seed gives others', () => {
  assert.equal(draw(7, 'disk', 100), draw(7, 'disk', 100));
  assert.not.equal(draw(7, 'disk', 100), draw(8, 'disk', 100));
});

test('every kind of fault comes, and those of Redis only there', () => {
  const kindsOf = (store: StoreKind) => new Set(draw(1, store, 500).map(({ kind }) => kind));
  const onDisk = kindsOf('disk');
  const onRedis = kindsOf('redis');

  assert.is(onDisk.size, 7);
  assert.is(onRedis.size, 9);
  assert.ok(!onDisk.has('kill primary') && !onDisk.has('stop primary'));
});

test('a pause counts for the fault that it began with', () => {
  const meter = new PauseMeter();
  meter.onAcknowledged(100);
  meter.onFault('kill', 150);
  meter.onAcknowledged(400);
  meter.onAcknowledged(420);
  meter.onFault('cut', 500);
  meter.onAcknowledged(530);
  meter.onFault('stop', 600);
  meter.onFault('kill', 700);
  meter.onAcknowledged(1_000);

  assert.equal(
    [...meter.longestMs],
    [
      ['kill', 250],
      ['cut', 70],
      ['stop', 400],
    ],
  );
});

test('a document without the place for a table is an error that names the place', () => {
  assert.throws(() => replaceSection('nothing', 'disk', 'a table'), /no section for disk/);
  const document = 'a\n<!-- disk: written by --write -->\nold\n<!-- end of disk -->\nb';
  assert.match(replaceSection(document, 'disk', 'new'), /^a\n<!-- d.*>\n\nnew\n\n<!-- e.*>\nb$/);
});

test.run();
