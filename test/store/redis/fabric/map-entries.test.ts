import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  decodeEntry,
  decodeField,
  type MapEntry,
  memberField,
  onlineField,
  onlineValue,
  retainedField,
  retainedValue,
  routeField,
  subscriptionField,
  subscriptionValue,
} from '../../../../src/store/redis/map-entries.js';

const test = suite('entries of the maps');

const text = fc.string({ unit: 'grapheme', maxLength: 30 });
const epoch = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const subscription = fc
  .tuple(text, fc.nat(15), fc.nat(268_435_455))
  .map(([filter, options, identifier]) => ({ filter, options, identifier }));

test('each kind is read as it was written', async () => {
  await fc.assert(
    fc.property(text, text, epoch, subscription, fc.integer({ min: 1, max: 255 }), (...parts) => {
      const [node, clientId, since, one, kinds] = parts;
      const { filter } = one;
      const value = subscriptionValue(since, one);
      const record = Buffer.from(clientId);
      const cases: [Buffer, Buffer, MapEntry][] = [
        [
          retainedField(filter),
          retainedValue(since, record),
          { kind: 'retained', topic: filter, record },
        ],
        [
          subscriptionField(clientId, filter),
          value,
          { kind: 'subscription', clientId, epoch: since, subscription: one },
        ],
        [routeField(node, filter), Buffer.of(kinds), { kind: 'route', node, filter, kinds }],
        [
          memberField(node, clientId, filter),
          value,
          { kind: 'member', node, clientId, subscription: one },
        ],
        [
          onlineField(clientId),
          onlineValue(since, node),
          { kind: 'online', clientId, epoch: since, node },
        ],
      ];
      for (const [field, bytes, expected] of cases) {
        assert.equal(decodeEntry(field, bytes), expected);
      }
    }),
  );
});

test('fields and values of a later version, or damaged ones, are no entries', async () => {
  assert.is(decodeField(Buffer.from('z of the future')), null);
  assert.is(decodeField(Buffer.alloc(0)), null);
  await fc.assert(
    fc.property(fc.constantFrom('s', 'n', 't'), fc.uint8Array({ maxLength: 8 }), (kind, bytes) => {
      decodeField(Buffer.concat([Buffer.from(kind), bytes]));
    }),
  );
  assert.is(decodeField(Buffer.from('s\xff\xffid')), null);
  assert.is(decodeEntry(subscriptionField('c', 'f'), Buffer.alloc(12)), null);
  assert.is(decodeEntry(onlineField('c'), Buffer.alloc(7)), null);
});

test.run();
