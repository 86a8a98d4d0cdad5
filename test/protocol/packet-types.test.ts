import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as types from '../../src/protocol/packet-types.js';

const test = suite('packet types');

test('every type has its number of table 2-1 and its name for logs', () => {
  const { packetTypeNames, ...numbers } = types;
  assert.is(packetTypeNames.length, 16);
  assert.is(Object.keys(numbers).length, 15);
  for (const [name, type] of Object.entries(numbers)) assert.is(packetTypeNames[type], name);
  assert.is(types.CONNECT, 1);
  assert.is(types.AUTH, 15);
});

test.run();
