import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Kin } from '../../src/broker/kin.js';

const test = suite('clients that are one source of messages');

test('a client is its own kin, and nobody else’s', () => {
  const kin = new Kin();

  assert.is(kin.isOwn('a', 'a'), true);
  assert.is(kin.isOwn('a', 'b'), false);
  assert.is(kin.isOwn('a', null), false);
});

test('those of a group are each other’s, until it is another one', () => {
  const kin = new Kin();
  kin.set('one', ['a', 'b']);
  kin.set('two', ['c', 'd']);
  assert.is(kin.isOwn('a', 'b') && kin.isOwn('b', 'a') && kin.isOwn('d', 'c'), true);
  assert.is(kin.isOwn('a', 'c') || kin.isOwn('a', null), false);

  kin.set('one', ['a', 'e']);
  assert.is(kin.isOwn('a', 'b'), false);
  assert.is(kin.isOwn('a', 'e'), true);
  kin.set('one', []);
  assert.is(kin.isOwn('a', 'e'), false);
});

test.run();
