/** Messages, clients and wills as a store keeps them, and back. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Slab } from '../../src/base/block.js';
import { BrokerError } from '../../src/base/errors.js';
import type { ClientIdentity } from '../../src/broker/access.js';
import { messageOf } from '../../src/broker/own-messages.js';
import { decodeInfo, decodeWill, encodeInfo, encodeWill } from '../../src/broker/stored-client.js';
import { messageOfRecord, recordOf } from '../../src/broker/stored-message.js';
import { defaultListener } from '../../src/config/defaults.js';
import type { Will } from '../../src/protocol/control-packets.js';
import { NEVER } from '../../src/protocol/message.js';
import { topicNameOf, topicTable } from './support/builders.js';

const test = suite('stored messages and clients');

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const word = fc.stringMatching(/^[a-z0-9 ü€]{1,20}$/);
const topics = topicTable(200);
const slab = new Slab(1_024);

/** Raw properties, some of them with a Message Expiry Interval at a place of their own. */
const properties = fc
  .record({
    isUtf8: fc.boolean(),
    expiry: fc.option(fc.integer({ min: 0, max: 0xffff_ffff })),
    contentType: fc.option(fc.stringMatching(/^[a-z/]{0,20}$/)),
  })
  .map(({ isUtf8, expiry, contentType }) => {
    const parts = [isUtf8 ? Buffer.from([1, 1]) : Buffer.alloc(0)];
    if (expiry !== null) {
      const property = Buffer.from([2, 0, 0, 0, 0]);
      property.writeUInt32BE(expiry, 1);
      parts.push(property);
    }
    if (contentType !== null) {
      const { length } = contentType;
      parts.push(Buffer.from([3, length >> 8, length & 255]), Buffer.from(contentType));
    }
    return { raw: Buffer.concat(parts), expiry };
  });

test('a message is the same after the store, on another monotonic clock', () => {
  const given = fc.record({
    topic: word,
    payload: bytes(100),
    qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
    granted: fc.constantFrom(0, 1, 2),
    retain: fc.boolean(),
    ids: fc.option(fc.array(fc.integer({ min: 1, max: 268_435_455 }), { minLength: 1 })),
    sharedFilter: fc.constantFrom('', '$share/g/a'),
    properties,
    nowMs: fc.nat(1_000_000),
    offset: fc.nat(2_000_000_000),
    laterOffset: fc.nat(2_000_000_000),
  });
  fc.assert(
    fc.property(given, (one) => {
      const { payload, qos, granted, retain, ids, sharedFilter, nowMs, offset } = one;
      const options = { qos, retain, properties: one.properties.raw };
      const message = messageOf(topicNameOf(one.topic), payload, options, nowMs);
      message.publisherId = 'someone';
      const record = recordOf(message, granted, retain, ids, sharedFilter, {
        wallOffsetMs: offset,
      });
      const found = messageOfRecord(record, topics, { wallOffsetMs: one.laterOffset }, slab);

      assert.equal(
        [found.qos, found.retain, found.ids, found.sharedFilter],
        [granted, retain, ids, sharedFilter],
      );
      const again = found.message;
      assert.is(again.topic.name, one.topic);
      assert.is(again.payloadLength, payload.length);
      assert.is(again.publisherId, 'someone');
      assert.is(again.isV5, true);
      assert.is(again.keep(null as never), again, 'it is kept already');
      const { block, propertiesStart, payloadStart, end, expiryAt } = again;
      assert.ok(block.bytes.subarray(payloadStart, end).equals(payload));
      assert.ok(block.bytes.subarray(propertiesStart, payloadStart).equals(one.properties.raw));
      const { expiry } = one.properties;
      if (expiry === null) {
        assert.equal([again.expiresAtMs, expiryAt], [NEVER, -1]);
      } else {
        assert.is(again.expiresAtMs, nowMs + expiry * 1000 + offset - one.laterOffset);
        assert.is(block.bytes.readUInt32BE(expiryAt), expiry);
      }
    }),
    { numRuns: 500 },
  );
});

test('a client is the same but for its network address', () => {
  const optional = fc.option(word);
  const given = fc.record({
    clientId: word,
    username: optional,
    identity: optional,
    subject: optional,
    protocolVersion: fc.constantFrom<3 | 4 | 5>(3, 4, 5),
  });
  const listener = defaultListener();
  fc.assert(
    fc.property(given, ({ clientId, username, identity, subject, protocolVersion }) => {
      const peer = { remoteAddress: '10.0.0.1', remotePort: 5, identity, subject, isTls: true };
      const client: ClientIdentity = { clientId, username, peer, listener, protocolVersion };
      const asked: string[] = [];
      const found = decodeInfo(clientId, encodeInfo(client), (name) => {
        asked.push(name);
        return listener;
      });

      assert.equal(asked, [listener.name]);
      assert.equal(
        { ...found, peer: [found.peer.identity, found.peer.subject] },
        { ...client, peer: [identity, subject] },
      );
    }),
  );
});

test('a will is the same, and its expiry has not begun', () => {
  const given = fc.record({
    topic: word,
    payload: bytes(50),
    qos: fc.nat(2),
    retain: fc.boolean(),
  });
  fc.assert(
    fc.property(given, properties, (one, { raw, expiry }) => {
      const expiryAt = expiry === null ? -1 : raw.indexOf(2, raw[0] === 1 ? 2 : 0) + 1;
      const will: Will = {
        ...one,
        qos: one.qos as 0 | 1 | 2,
        willDelayInterval: 7,
        messageExpiryInterval: expiry ?? -1,
        properties: raw,
        expiryAt,
        isPayloadValid: true,
      };
      const { will: found, stamp } = decodeWill(encodeWill(will, Number.MAX_SAFE_INTEGER));
      assert.is(stamp, Number.MAX_SAFE_INTEGER);

      assert.ok(found.payload.equals(will.payload) && found.properties.equals(raw));
      assert.equal(
        [found.topic, found.qos, found.retain, found.messageExpiryInterval, found.expiryAt],
        [will.topic, will.qos, will.retain, expiry ?? -1, expiryAt],
      );
    }),
  );
});

test('damaged clients and wills are errors that say so, whatever the bytes', () => {
  const listener = defaultListener();
  const will = encodeWill(
    {
      topic: 'w',
      payload: Buffer.from('x'),
      qos: 1,
      retain: false,
      willDelayInterval: 0,
      messageExpiryInterval: 9,
      properties: Buffer.from([2, 0, 0, 0, 9]),
      expiryAt: 1,
      isPayloadValid: true,
    },
    1_700_000_000_000,
  );
  const flipped = fc.tuple(fc.nat(will.length - 1), fc.nat(255)).map(([at, value]) => {
    const damaged = Buffer.from(will);
    damaged[at] = value;
    return damaged;
  });
  const cut = fc.nat(will.length).map((length) => will.subarray(0, length));
  const json = fc.json().map((one) => Buffer.from(one));
  fc.assert(
    fc.property(fc.oneof(bytes(40), flipped, cut, json), (damaged) => {
      for (const decode of [
        () => decodeWill(damaged),
        () => decodeInfo('c', damaged, () => listener),
      ]) {
        try {
          decode();
        } catch (error) {
          assert.instance(error, BrokerError);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

test.run();
