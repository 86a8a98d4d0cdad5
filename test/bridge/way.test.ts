/** What one direction of a bridge does with each packet. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePublish, type OutgoingPublish } from '../../src/bridge/publish-packet.js';
import { type Dropped, Way, type WayEnd, type WayOptions } from '../../src/bridge/way.js';
import { MqttError } from '../../src/protocol/mqtt-error.js';

const test = suite('one direction of a bridge');

const PUBACK = 0x40;
const PUBREC = 0x50;
const PUBREL = 0x62;
const PUBCOMP = 0x70;

class FakeEnd implements WayEnd {
  readonly isV5: boolean;
  readonly sent: Buffer[] = [];
  backlog = 0;
  isHeld = false;
  private drained: (() => void)[] = [];

  constructor(isV5: boolean) {
    this.isV5 = isV5;
  }

  send(packet: Buffer): void {
    this.sent.push(packet);
  }

  hold(): void {
    this.isHeld = true;
  }

  release(): void {
    this.isHeld = false;
  }

  onDrained(then: () => void): void {
    this.drained.push(then);
  }

  drain(): void {
    this.backlog = 0;
    for (const then of this.drained.splice(0)) then();
  }

  /** `NAME id` or `NAME id code` of acknowledgements, `PUBLISH topic qos id` of messages. */
  get said(): string[] {
    return this.sent.map(describe);
  }
}

const names: Readonly<Record<number, string>> = {
  [PUBACK]: 'PUBACK',
  [PUBREC]: 'PUBREC',
  [PUBREL]: 'PUBREL',
  [PUBCOMP]: 'PUBCOMP',
};

function describe(packet: Buffer): string {
  const name = names[packet[0]!];
  if (name !== undefined) {
    const code = packet.length > 4 ? ` 0x${packet[4]!.toString(16)}` : '';
    return `${name} ${packet.readUInt16BE(2)}${code}`;
  }
  const qos = (packet[0]! >> 1) & 3;
  const length = packet.readUInt16BE(2);
  const flags = `${packet[0]! & 8 ? 'd' : ''}${packet[0]! & 1 ? 'r' : ''}`;
  const id = qos > 0 ? ` ${packet.readUInt16BE(4 + length)}` : '';
  return `PUBLISH ${packet.toString('utf8', 4, 4 + length)} ${qos}${flags}${id}`;
}

interface Rig {
  readonly way: Way;
  readonly source: FakeEnd;
  readonly destination: FakeEnd;
  readonly drops: string[];
  publish(topic: string, qos: number, packetId: number, more?: Partial<OutgoingPublish>): void;
  ack(type: number, packetId: number, code?: number): void;
  release(packetId: number): void;
}

function rig(
  options: Partial<WayOptions> = {},
  versions: { readonly source?: boolean; readonly destination?: boolean } = {},
): Rig {
  const source = new FakeEnd(versions.source ?? true);
  const destination = new FakeEnd(versions.destination ?? true);
  const drops: string[] = [];
  const way = new Way({
    ...{ source, destination },
    map: (topic) => (topic.startsWith('no') ? null : `to/${topic}`),
    objection: (topic) => (topic === 'to/bad' ? 'bad' : null),
    maximumQos: 2,
    maximumPacketSize: 1_000,
    keepsRetain: true,
    inflight2Max: 10,
    backlogMax: 100,
    whenFull: 'drop',
    used: null,
    onMessage: () => undefined,
    onDropped: (why: Dropped) => drops.push(why),
    ...options,
  });
  return {
    ...{ way, source, destination, drops },
    publish: (topic, qos, packetId, more = {}) => {
      const properties = source.isV5 ? new Uint8Array(0) : null;
      const packet = encodePublish({
        ...{ topic, qos, packetId, properties, retain: false, dup: false },
        payload: Buffer.from('x'),
        ...more,
      });
      const start = packet.length > 129 ? 3 : 2;
      way.onPublish(packet[0]!, packet, start, packet.length);
    },
    ack: (type, packetId, code) => {
      const bytes = Buffer.from([
        packetId >> 8,
        packetId & 255,
        ...(code === undefined ? [] : [code]),
      ]);
      way.onAcknowledged(type, bytes, 0, bytes.length);
    },
    release: (packetId) => way.onPubrel(Buffer.from([packetId >> 8, packetId & 255]), 0, 2),
  };
}

test('a message keeps its identifier, QoS, DUP and RETAIN', () => {
  const { publish, destination } = rig();

  publish('a', 0, 0);
  publish('a', 1, 7, { dup: true });
  publish('a', 2, 65_535, { retain: true });

  assert.equal(destination.said, ['PUBLISH to/a 0', 'PUBLISH to/a 1d 7', 'PUBLISH to/a 2r 65535']);
});

test('each step is taken only when the other side has taken it', () => {
  const { publish, ack, release, source, destination } = rig();
  publish('a', 2, 7);
  assert.equal(source.said, []);

  ack(PUBREC, 7);
  assert.equal(source.said, ['PUBREC 7']);
  release(7);
  assert.equal(source.said, ['PUBREC 7']);
  ack(PUBCOMP, 7);

  assert.equal(source.said, ['PUBREC 7', 'PUBCOMP 7']);
  assert.equal(destination.said, ['PUBLISH to/a 2 7', 'PUBREL 7']);
});

test('a refusal is passed on and counted; MQTT 3.x has no word for it', () => {
  const [v5, v3] = [rig(), rig({}, { source: false })];
  for (const { publish, ack } of [v5, v3]) {
    publish('a', 1, 1);
    publish('a', 2, 2);
    ack(PUBACK, 1, 0x87);
    ack(PUBREC, 2, 0x97);
  }

  assert.equal(v5.source.said, ['PUBACK 1 0x87', 'PUBREC 2 0x97']);
  assert.equal(v3.source.said, ['PUBACK 1', 'PUBREC 2']);
  assert.equal(v5.drops, ['refused', 'refused']);
});

test('that nobody is subscribed over there is no refusal', () => {
  const { publish, ack, source, drops } = rig();
  publish('a', 1, 1);
  ack(PUBACK, 1, 0x10);

  assert.equal(source.said, ['PUBACK 1 0x10']);
  assert.equal(drops, []);
});

test('what no topic asks for is acknowledged, in its turn, and goes nowhere', () => {
  const { publish, ack, release, source, destination, drops } = rig();
  publish('a', 1, 1);
  publish('no', 1, 2);
  publish('no', 2, 3);
  assert.equal(source.said, ['PUBREC 3']);

  ack(PUBACK, 1);
  release(3);
  ack(PUBCOMP, 3, 0x92);

  assert.equal(source.said, ['PUBREC 3', 'PUBACK 1', 'PUBACK 2', 'PUBCOMP 3']);
  assert.equal(destination.said, ['PUBLISH to/a 1 1', 'PUBREL 3']);
  assert.equal(drops, []);
});

test('what would break the connection is dropped and counted', () => {
  const { publish, source, destination, drops } = rig();
  publish('bad', 1, 1);
  publish('a', 1, 2, { payload: Buffer.alloc(2_000) });

  assert.equal(destination.said, []);
  assert.equal(source.said, ['PUBACK 1', 'PUBACK 2']);
  assert.equal(drops, ['invalid', 'too large']);
});

test('QoS 2 to a broker that knows QoS 1 alone is settled here', () => {
  const { publish, ack, release, source, destination } = rig({ maximumQos: 1 });
  publish('a', 2, 5);
  ack(PUBACK, 5);
  release(5);

  assert.equal(destination.said, ['PUBLISH to/a 1 5']);
  assert.equal(source.said, ['PUBREC 5', 'PUBCOMP 5']);
});

test('a broker that knows QoS 0 alone acknowledges nothing', () => {
  const { publish, source, destination } = rig({ maximumQos: 0 });
  publish('a', 1, 5, { dup: true });

  assert.equal(destination.said, ['PUBLISH to/a 0']);
  assert.equal(source.said, ['PUBACK 5']);
});

test('QoS 2 messages beyond what the other side takes wait for their turn', () => {
  const { publish, ack, release, destination } = rig({ inflight2Max: 2 });
  for (const id of [1, 2, 3, 4]) publish('a', 2, id);
  assert.is(destination.sent.length, 2);

  ack(PUBREC, 1);
  assert.is(destination.sent.length, 2);
  release(1);
  ack(PUBCOMP, 1);
  ack(PUBREC, 2, 0x97);

  assert.equal(destination.said, [
    'PUBLISH to/a 2 1',
    'PUBLISH to/a 2 2',
    'PUBREL 1',
    'PUBLISH to/a 2 3',
    'PUBLISH to/a 2 4',
  ]);
});

test('an identifier that the other side may hold is released before its first use', () => {
  const { publish, ack, source, destination } = rig({ used: new Uint8Array(65_536) });
  publish('a', 2, 9);
  ack(PUBCOMP, 9, 0x92);
  ack(PUBREC, 9);
  ack(PUBCOMP, 9);
  publish('b', 2, 9);
  publish('c', 1, 10);

  assert.equal(destination.said, [
    'PUBREL 9',
    'PUBLISH to/a 2 9',
    'PUBLISH to/b 2 9',
    'PUBLISH to/c 1 10',
  ]);
  assert.equal(source.said, ['PUBREC 9', 'PUBCOMP 9']);
});

test('RETAIN is taken off, and properties where the other side knows none', () => {
  const [off, v3] = [rig({ keepsRetain: false }), rig({}, { destination: false })];
  for (const { publish } of [off, v3]) {
    publish('a', 0, 0, { retain: true, properties: Buffer.from([1, 1]) });
  }

  assert.equal(off.destination.said, ['PUBLISH to/a 0']);
  assert.equal([...off.destination.sent[0]!.subarray(-4)], [2, 1, 1, 0x78]);
  assert.equal([...v3.destination.sent[0]!.subarray(-2)], [0x61, 0x78]);
});

test('a connection that is full drops QoS 0 alone, or holds the other side', () => {
  const [dropping, holding] = [rig(), rig({ whenFull: 'hold' })];
  for (const { publish, destination } of [dropping, holding]) {
    destination.backlog = 101;
    publish('a', 0, 0);
    publish('a', 1, 1);
  }

  assert.equal(dropping.destination.said, ['PUBLISH to/a 1 1']);
  assert.equal(dropping.drops, ['slow']);
  assert.is(dropping.source.isHeld, false);
  assert.is(holding.destination.sent.length, 2);
  assert.is(holding.source.isHeld, true);
  holding.destination.drain();
  assert.is(holding.source.isHeld, false);
});

test('an answer to nothing that was sent is not passed on', () => {
  const { ack, source } = rig();
  ack(PUBACK, 3);
  ack(PUBREC, 3);

  assert.equal(source.said, []);
});

test('a packet that is none of MQTT ends it', () => {
  const { way, publish } = rig();
  const isMqttError = (error: unknown) => error instanceof MqttError;

  assert.throws(() => way.onPublish(0x36, Buffer.from([0, 1, 97]), 0, 3), isMqttError);
  assert.throws(() => way.onAcknowledged(PUBACK, Buffer.from([1]), 0, 1), isMqttError);
  const alias = { properties: Buffer.from([0x23, 0, 1]) };
  assert.throws(() => publish('a', 0, 0, alias), isMqttError);
});

test.run();
