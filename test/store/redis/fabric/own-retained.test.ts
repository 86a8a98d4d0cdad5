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

test('whatever comes when, the last one in the log is shown', async () => {
  // Who writes each entry, and after how many more entries the answer to ours comes.
  const entries = fc.array(fc.record({ isOwn: fc.boolean(), lag: fc.nat(4) }), { maxLength: 20 });
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
      const answers: { at: number; entry: number }[] = [];
      let lastAt = 0;
      for (const [index, { isOwn, lag }] of log.entries()) {
        if (isOwn) {
          view.own.begin('t');
          view.shown = `#${index}`;
          lastAt = Math.max(lastAt, index + lag);
          answers.push({ at: lastAt, entry: index + 1 });
        }
        follow(Math.max(followed, index + 1 - behind));
        while (answers.length > 0 && answers[0]!.at <= index) {
          view.own.end('t', answers.shift()!.entry);
        }
      }
      for (const { entry } of answers) view.own.end('t', entry);
      follow(log.length);

      assert.is(view.shown, log.length === 0 ? 'none' : `#${log.length - 1}`);
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
