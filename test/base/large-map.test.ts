import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LargeMap } from '../../src/base/large-map.js';

const test = suite('large map');

test('behaves as one map, however many maps it needs', () => {
  const key = fc.integer({ min: 0, max: 30 }).map(String);
  const command = fc.tuple(fc.constantFrom('set', 'delete', 'get'), key, fc.integer());

  fc.assert(
    fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
      const map = new LargeMap<number>(4);
      const model = new Map<string, number>();
      for (const [name, which, value] of commands) {
        if (name === 'set') {
          map.set(which, value);
          model.set(which, value);
        } else if (name === 'delete') {
          assert.is(map.delete(which), model.delete(which));
        }
        assert.is(map.get(which), model.get(which));
        assert.is(map.size, model.size);
      }
    }),
  );
});

test.run();
