/** Random packets that a client may send: most of them right, some with one value that is not. */
import {
  ack,
  auth,
  connect,
  disconnect,
  type FilterFields,
  pingreq,
  publish,
  subscribe,
  unsubscribe,
  type Version,
} from '../../conformance/raw/build.js';
import type { Properties } from '../../conformance/raw/properties.js';
import type { Random } from './random.js';

/** Everything that attacks publish is below this level, and so is what they subscribe to. */
const root = 'f';
const levels = ['a', 'b', 'ü', '', '$x', 'long'.repeat(20)];
/** Few, so that they meet: takeovers, sessions that are resumed, queues that fill. */
const clientIds = Array.from({ length: 24 }, (_, index) => `fuzz-${index}`);
const qosValues = [0, 0, 1, 1, 2];
const ackTypes = ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const;
const payloadSizes = [0, 1, 10, 100, 127, 128, 1000, 5000, 20_000];

export function randomVersion(random: Random): Version {
  return random.pick([3, 4, 4, 5, 5, 5] as const);
}

export function randomTopic(random: Random): string {
  const count = random.between(1, 4);
  return [root, ...Array.from({ length: count }, () => random.pick(levels))].join('/');
}

function randomFilter(random: Random): string {
  const parts = randomTopic(random).split('/');
  for (let at = 1; at < parts.length; at++) if (random.chance(25)) parts[at] = '+';
  if (random.chance(30)) parts.push('#');
  const filter = random.chance(4) ? random.pick(['#', '+/#', '$SYS/#', 'f/#']) : parts.join('/');
  return random.chance(10) ? `$share/${random.pick(['g', 'h'])}/${filter}` : filter;
}

function randomUsers(random: Random): Properties {
  const pair = (): [string, string] => [random.pick(levels), random.pick(levels)];
  return { userProperties: Array.from({ length: random.between(1, 3) }, pair) };
}

/** Some of `candidates`, in this order. */
function some(random: Random, candidates: readonly Properties[]): Properties {
  return Object.assign({}, ...candidates.filter(() => random.chance(25))) as Properties;
}

export function randomConnect(random: Random, version: Version): Buffer {
  const isAnonymous = random.chance(15);
  const hasWill = random.chance(30);
  return connect(version, {
    clientId: isAnonymous ? '' : random.pick(clientIds),
    clean: isAnonymous || random.chance(50),
    keepAlive: random.pick([0, 0, 1, 60, 65_535]),
    ...(random.chance(20) ? { username: 'user' } : {}),
    ...(random.chance(20) ? { username: 'user', password: random.bytes(8) } : {}),
    ...(hasWill ? { will: randomWill(random) } : {}),
    properties: some(random, [
      { sessionExpiryInterval: random.pick([0, 1, 5, 60]) },
      { receiveMaximum: random.between(1, 20) },
      { maximumPacketSize: random.pick([1, 20, 100, 5000, 0xffff_ffff]) },
      { topicAliasMaximum: random.uint16() },
      { requestResponseInformation: random.below(2) },
      { requestProblemInformation: random.below(2) },
      randomUsers(random),
    ]),
  });
}

function randomWill(random: Random) {
  return {
    topic: randomTopic(random),
    payload: random.bytes(random.below(30)),
    qos: random.pick(qosValues),
    retain: random.chance(20),
    properties: some(random, [
      { willDelayInterval: random.below(3) },
      { messageExpiryInterval: random.below(5) },
      { payloadFormatIndicator: 0 },
      { contentType: 'text' },
      randomUsers(random),
    ]),
  };
}

export function randomPublish(random: Random, version: Version): Buffer {
  const qos = random.pick(qosValues);
  const hasAlias = random.chance(15);
  const isAliasAlone = hasAlias && random.chance(50);
  return publish(version, {
    topic: isAliasAlone ? '' : randomTopic(random),
    payload: Buffer.alloc(random.pick(payloadSizes), random.below(256)),
    qos,
    retain: random.chance(10),
    dup: qos > 0 && random.chance(10),
    ...(qos > 0 ? { packetId: random.uint16() || 1 } : {}),
    properties: some(random, [
      { payloadFormatIndicator: random.below(2) },
      { messageExpiryInterval: random.below(5) },
      { contentType: 'text' },
      { responseTopic: randomTopic(random) },
      { correlationData: random.bytes(random.below(20)) },
      randomUsers(random),
      ...(hasAlias ? [{ topicAlias: random.between(1, 12) }] : []),
    ]),
  });
}

function randomSubscribe(random: Random, version: Version): Buffer {
  const one = (): FilterFields => ({
    filter: randomFilter(random),
    qos: random.below(3),
    ...(version === 5
      ? {
          noLocal: random.chance(20),
          retainAsPublished: random.chance(20),
          retainHandling: random.below(3),
        }
      : {}),
  });
  return subscribe(version, {
    packetId: random.uint16() || 1,
    filters: Array.from({ length: random.between(1, 5) }, one),
    properties: some(random, [
      { subscriptionIdentifiers: [random.pick([1, 127, 128, 268_435_455])] },
      randomUsers(random),
    ]),
  });
}

function randomAck(random: Random, version: Version): Buffer {
  const type = random.pick(ackTypes);
  const packetId = random.uint16() || 1;
  if (random.chance(60)) return ack(version, type, packetId);
  const reasonCode = random.pick([0, 0x10, 0x80, 0x92, 0x97]);
  return ack(version, type, packetId, {
    reasonCode,
    properties: some(random, [{ reasonString: 'r' }]),
  });
}

/** Any packet but CONNECT and DISCONNECT. */
export function randomPacket(random: Random, version: Version): Buffer {
  const kind = random.below(100);
  if (kind < 50) return randomPublish(random, version);
  if (kind < 68) return randomSubscribe(random, version);
  if (kind < 88) return randomAck(random, version);
  if (kind < 93) {
    const filters = Array.from({ length: random.between(1, 3) }, () => randomFilter(random));
    return unsubscribe(version, { packetId: random.uint16() || 1, filters });
  }
  if (kind < 98) return pingreq();
  const properties = some(random, [{ authenticationMethod: 'M' }, { authenticationData: 'd' }]);
  return auth({ reasonCode: random.pick([0, 0x18, 0x19]), properties });
}

export function randomDisconnect(random: Random, version: Version): Buffer {
  if (random.chance(50)) return disconnect(version);
  const reasonCode = random.pick([0, 4, 0x80, 0x8e]);
  const properties = some(random, [{ sessionExpiryInterval: random.pick([0, 1, 30]) }]);
  return disconnect(version, { reasonCode, properties });
}

/** The client ids whose sessions a run may leave behind. */
export const fuzzClientIds: readonly string[] = clientIds;
