import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeAcknowledgement } from '../../src/protocol/control-encoder.js';
import { AcknowledgementReader } from '../../src/protocol/publish-reader.js';
import {
  ACKNOWLEDGEMENT_BYTES,
  PUBACK_BYTE,
  PUBCOMP_BYTE,
  PUBREC_BYTE,
  PUBREL_BYTE,
  PublishExtras,
  writeAcknowledgement,
} from '../../src/protocol/publish-writer.js';
import * as arbitrary from './support/arbitraries.js';
import { type Decode, decoded } from './support/decode-anywhere.js';
import { forAll } from './support/for-all.js';
import { messageOf, publishDecoder, writeMessage } from './support/messages.js';
import { generate, oracleProperties, parseChunks, parseOne } from './support/oracle.js';

const test = suite('publish against mqtt-packet');

const delivery = fc.record({
  isV5: fc.boolean(),
  topic: arbitrary.topicName,
  payload: arbitrary.binary(300),
  qos: arbitrary.qos,
  retain: fc.boolean(),
  isRepeated: fc.boolean(),
  packetId: arbitrary.packetId,
  list: arbitrary.propertyList(arbitrary.publishSingles),
  topicAlias: fc.option(arbitrary.packetId),
  isTopicOmitted: fc.boolean(),
  mount: fc.option(arbitrary.topicName),
  ids: fc.option(
    fc.array(fc.integer({ min: 1, max: 268_435_455 }), { minLength: 1, maxLength: 4 }),
  ),
  leftMs: fc.integer({ min: 0, max: 4_294_967_295_000 }),
});

type Delivery = typeof delivery extends fc.Arbitrary<infer Value> ? Value : never;

test('what mqtt-packet generates is read with the same fields', () => {
  forAll(
    delivery,
    (sample) => {
      const { isV5, topic, payload, qos, retain, packetId, list, topicAlias } = sample;
      const dup = sample.isRepeated && qos > 0;
      const properties = { ...oracleProperties(list), ...(topicAlias && { topicAlias }) };
      const bytes = generate(
        { cmd: 'publish', topic, payload, qos, retain, dup, messageId: packetId, properties },
        isV5,
      );

      const fields = decoded(bytes, publishDecoder(isV5));

      assert.is(fields.topic, topic);
      assert.is(fields.payload, payload.toString('hex'));
      assert.is(fields.qos, qos);
      assert.is(fields.retain, retain);
      assert.is(fields.dup, dup);
      assert.is(fields.packetId, qos > 0 ? packetId : 0);
      const expiry = isV5 ? arbitrary.merged(list).messageExpiryInterval : undefined;
      assert.is(fields.messageExpiryInterval, expiry ?? -1);
      assert.is(fields.topicAlias, isV5 ? (topicAlias ?? 0) : 0);
      if (fields.expiryAt >= 0) assert.is(bytes.readUInt32BE(fields.expiryAt), expiry);
      if (fields.topicAliasAt >= 0) {
        assert.is(bytes.readUInt16BE(fields.topicAliasAt + 1), topicAlias);
      }
    },
    { runs: 500 },
  );
});

test('what is written is parsed by mqtt-packet to the same fields', () => {
  forAll(delivery, (sample) => checkAgainstOracle(sample, writeDelivery(sample)), { runs: 500 });
});

test('what is written is parsed by mqtt-packet wherever it is cut in two', () => {
  forAll(
    delivery,
    (sample) => {
      const bytes = writeDelivery(sample);
      const whole = parseOne(bytes, sample.isV5);
      for (let cut = 1; cut < bytes.length; cut += 1 + (bytes.length >>> 6)) {
        const packets = parseChunks([bytes.subarray(0, cut), bytes.subarray(cut)], sample.isV5);
        assert.is(packets.length, 1);
        assert.equal({ ...packets[0] }, { ...whole });
      }
    },
    { runs: 40 },
  );
});

test('what is written is read back by our own reader, properties byte for byte', () => {
  const { messageExpiryInterval: _, ...withoutExpiry } = arbitrary.publishSingles;
  const sample = fc.record({
    topic: arbitrary.topicName,
    payload: arbitrary.binary(600),
    list: arbitrary.propertyList(withoutExpiry, true),
    qos: arbitrary.qos,
    packetId: arbitrary.packetId,
  });
  forAll(sample, ({ topic, payload, list, qos, packetId }) => {
    const properties = arbitrary.sectionBytes(list);
    const message = messageOf({ topic, payload, properties });
    const fields = decoded(
      writeMessage(message, { isV5: true, qos, packetId }),
      publishDecoder(true),
    );
    assert.is(fields.properties, properties.toString('hex'));
    assert.is(fields.payload, payload.toString('hex'));
    assert.is(fields.topic, topic);
  });
});

/** The sample as the broker would deliver it, its expiry set to end `leftMs` from now. */
function writeDelivery(sample: Delivery): Buffer {
  const { isV5, list, mount, qos, retain, packetId } = sample;
  const nowMs = 12_345.75;
  let expiryAt: number | undefined;
  let length = 0;
  for (const one of list) {
    if (one.messageExpiryInterval !== undefined) expiryAt = length + 1;
    length += arbitrary.sectionBytes([one]).length;
  }
  const message = messageOf({
    topic: (mount ?? '') + sample.topic,
    payload: sample.payload,
    properties: arbitrary.sectionBytes(list),
    ...(expiryAt === undefined ? {} : { expiryAt, expiresAtMs: nowMs + sample.leftMs }),
  });
  const extras = new PublishExtras();
  extras.mountLength = Buffer.byteLength(mount ?? '');
  if (isV5) {
    extras.subscriptionIds = sample.ids;
    extras.topicAlias = sample.topicAlias ?? 0;
    extras.isTopicOmitted = sample.isTopicOmitted && extras.topicAlias !== 0;
  }
  const dup = sample.isRepeated && qos > 0;
  return writeMessage(message, { isV5, qos, retain, dup, packetId, extras, nowMs });
}

function checkAgainstOracle(sample: Delivery, bytes: Buffer): void {
  const { isV5, list, qos, retain, ids } = sample;
  const packet = parseOne(bytes, isV5);
  const isTopicOmitted = isV5 && sample.isTopicOmitted && sample.topicAlias !== null;
  assert.is(packet.cmd, 'publish');
  assert.is(packet.topic, isTopicOmitted ? '' : sample.topic);
  assert.equal(packet.payload, sample.payload);
  assert.is(packet.qos, qos);
  assert.is(packet.retain, retain);
  assert.is(packet.dup, sample.isRepeated && qos > 0);
  assert.is(packet.messageId, qos > 0 ? sample.packetId : undefined);
  if (!isV5) {
    assert.is(packet.properties, undefined);
    return;
  }
  const wanted = { ...oracleProperties(list) };
  if ('messageExpiryInterval' in wanted) {
    const left = Math.ceil(sample.leftMs / 1000);
    wanted.messageExpiryInterval = Math.min(left, Number(wanted.messageExpiryInterval));
  }
  if (sample.topicAlias !== null) wanted.topicAlias = sample.topicAlias;
  if (ids !== null) wanted.subscriptionIdentifier = ids.length === 1 ? ids[0] : ids;
  assert.equal({ ...(packet.properties as object | undefined) }, wanted);
}

const acknowledgements = {
  puback: [PUBACK_BYTE, [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]],
  pubrec: [PUBREC_BYTE, [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]],
  pubrel: [PUBREL_BYTE, [0x00, 0x92]],
  pubcomp: [PUBCOMP_BYTE, [0x00, 0x92]],
} as const;
type Acknowledgement = keyof typeof acknowledgements;

const ackReader = new AcknowledgementReader();

function ackDecoder(cmd: Acknowledgement, isV5: boolean): Decode<readonly [number, number]> {
  const isRelease = cmd === 'pubrel' || cmd === 'pubcomp';
  return (bytes, _at, start, end) => {
    ackReader.read(bytes, start, end, isV5, isRelease);
    return [ackReader.packetId, ackReader.reasonCode];
  };
}

for (const [cmd, [firstByte, codes]] of Object.entries(acknowledgements)) {
  const type = cmd as Acknowledgement;
  const sample = fc.record({
    packetId: arbitrary.packetId,
    reasonCode: fc.constantFrom(...codes),
    list: arbitrary.propertyList({ reasonString: arbitrary.text() }),
    isV5: fc.boolean(),
  });

  test(`a ${cmd} of mqtt-packet is read with the same fields`, () => {
    forAll(sample, ({ packetId, reasonCode, list, isV5 }) => {
      const properties = oracleProperties(list);
      const bytes = generate({ cmd, messageId: packetId, reasonCode, properties }, isV5);
      assert.equal(decoded(bytes, ackDecoder(type, isV5)), [packetId, isV5 ? reasonCode : 0]);
    });
  });

  test(`a written ${cmd} is parsed by mqtt-packet, in both versions`, () => {
    forAll(arbitrary.packetId, (packetId) => {
      const bytes = Buffer.alloc(ACKNOWLEDGEMENT_BYTES);
      writeAcknowledgement(bytes, 0, firstByte, packetId);
      for (const isV5 of [false, true]) {
        const packet = parseOne(bytes, isV5);
        assert.is(packet.cmd, cmd);
        assert.is(packet.messageId, packetId);
        assert.is(packet.reasonCode, isV5 ? 0 : undefined);
        assert.equal(decoded(bytes, ackDecoder(type, isV5)), [packetId, 0]);
      }
    });
  });

  test(`an encoded ${cmd} is parsed by mqtt-packet and read by us`, () => {
    const encoded = fc.record({
      packetId: arbitrary.packetId,
      reasonCode: fc.constantFrom(...codes),
      reasonString: fc.option(arbitrary.text()),
    });
    forAll(encoded, ({ packetId, reasonCode, reasonString }) => {
      const bytes = encodeAcknowledgement(
        type,
        packetId,
        reasonCode,
        reasonString,
        1_000,
      ) as Buffer;
      const packet = parseOne(bytes, true);
      assert.is(packet.cmd, cmd);
      assert.is(packet.messageId, packetId);
      assert.is(packet.reasonCode, reasonCode);
      assert.equal(packet.properties, reasonString === null ? undefined : { reasonString });
      assert.equal(decoded(bytes, ackDecoder(type, true)), [packetId, reasonCode]);
    });
  });
}

test.run();
