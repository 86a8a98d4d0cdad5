import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OwnRetained } from '../../../../src/store/redis/fabric/own-retained.js';

const test = suite('own retained messages');

/** What a core would show. */
class View {
  readonly own = new OwnRetained();
  shown = 'none';

  constructor() {
    this.own.onLate = (_, record) => {
      this.shown = String(record);
    };
  }

  onForeign(value: string, entry: number): void {
    if (this.own.accepts('t', Buffer.from(value), entry)) this.shown = value;
  }
}

test('another broker’s message counts where there is none of ours', () => {
  const view = new View();
  view.onForeign('theirs', 1);

  assert.is(view.shown, 'theirs');
  assert.is(view.own.size, 0);
});

test('an earlier one that is heard of late does not undo ours', () => {
  const view = new View();
  view.own.begin('t');
  view.shown = 'ours';
  view.onForeign('theirs', 5);
  view.own.end('t', 7);
  view.onForeign('theirs too', 6);

  assert.is(view.shown, 'ours');
  view.own.reach(7);
  assert.is(view.own.size, 0);
});

test('a later one that is heard of before ours has its place takes its place', () => {
  const view = new View();
  view.own.begin('t');
  view.shown = 'ours';
  view.onForeign('theirs', 8);
  assert.is(view.shown, 'ours');
  view.own.end('t', 7);

  assert.is(view.shown, 'theirs');
});

test('what stays in the stead of ours is shown, unless something later is', () => {
  const view = new View();
  view.onForeign('theirs', 6);
  view.own.begin('t');
  view.shown = 'ours';
  view.own.end('t', 7, Buffer.from('theirs'));
  assert.is(view.shown, 'theirs');
  view.own.begin('t');
  view.shown = 'ours again';
  view.onForeign('later', 9);
  view.own.end('t', 8, Buffer.from('theirs'));
  assert.is(view.shown, 'later');
  view.own.reach(9);
  assert.is(view.own.size, 0);
});

test('whatever comes when, the last one in the log is shown', async () => {
  // Who writes each entry, whether ours gives way to what is there, and after how many more entries
  // its answer comes.
  const entry = fc.record({ isOwn: fc.boolean(), givesWay: fc.boolean(), lag: fc.nat(4) });
  const entries = fc.array(entry, { maxLength: 20 });
  await fc.assert(
    fc.property(entries, fc.nat(6), (log, behind) => {
      const view = new View();
      let followed = 0;
      const follow = (upTo: number) => {
        for (; followed < upTo; followed++) {
          if (!log[followed]!.isOwn) view.onForeign(`#${followed}`, followed + 1);
          view.own.reach(followed + 1);
        }
      };
      // Answers come in order, as a lane has one call on its way.
      const answers: { at: number; entry: number; stays: string | undefined }[] = [];
      let lastAt = 0;
      let there = 'none';
      const answer = ({ entry: at, stays }: (typeof answers)[number]) =>
        view.own.end('t', at, stays === undefined ? stays : Buffer.from(stays));
      for (const [index, { isOwn, givesWay, lag }] of log.entries()) {
        if (isOwn) {
          view.own.begin('t');
          view.shown = `#${index}`;
          lastAt = Math.max(lastAt, index + lag);
          answers.push({ at: lastAt, entry: index + 1, stays: givesWay ? there : undefined });
        }
        if (!isOwn || !givesWay) there = `#${index}`;
        follow(Math.max(followed, index + 1 - behind));
        while (answers.length > 0 && answers[0]!.at <= index) {
          answer(answers.shift()!);
        }
      }
      for (const one of answers) answer(one);
      follow(log.length);

      assert.is(view.shown, there);
      assert.is(view.own.size, 0);
    }),
  );
});

test('after the shard was loaded anew, places of the old log do not count', () => {
  const view = new View();
  view.own.begin('t');
  view.own.end('t', 100);
  view.own.restart();
  view.onForeign('theirs', 5);

  assert.is(view.shown, 'theirs');
});

test.run();
