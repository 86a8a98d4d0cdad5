/** What one connection of the fuzzer does, drawn from the seed before it begins. */
import type { Version } from '../../conformance/raw/build.js';
import { corpus } from './corpus/corpus.js';
import type { HostileCase } from './corpus/hostile-case.js';
import { proxyHeader } from './corpus/other-listeners.js';
import type { Ports } from './fuzzed-broker.js';
import { mutate, rechunk } from './mutations.js';
import { randomConnect, randomDisconnect, randomPacket, randomVersion } from './packets.js';
import { Random } from './random.js';

export interface Attack {
  /** Its number in the run: with the seed, enough to draw it again. */
  readonly index: number;
  readonly kind: string;
  readonly listener: keyof Ports;
  readonly version: Version;
  readonly chunks: readonly Buffer[];
  /** Chunks in two fragments each, on a WebSocket. */
  readonly isSplit: boolean;
  /** What it does with PUBLISH and its acknowledgements from the broker. */
  readonly acknowledges: 'never' | 'rightly' | 'wrongly';
  /** It does not read what the broker sends. */
  readonly isDeaf: boolean;
  /** Between its chunks: nothing, or one round of the event loop. */
  readonly isPaced: boolean;
  readonly ending: 'reset' | 'end';
  /** How long it stays when the broker does not close it. */
  readonly stayMs: number;
  /** Seeds the answers. */
  readonly random: Random;
}

const listeners = ['plain', 'plain', 'plain', 'mounted', 'proxy', 'websocket'] as const;
const garbage = [
  'GET / HTTP/1.1\r\n\r\n',
  'PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n',
  '\u0016\u0003\u0001',
];
const corpusOnTcp = corpus.filter(({ listener = 'plain' }) => listener === 'plain');

export function drawAttack(seed: number, index: number): Attack {
  const random = new Random(seed, index);
  const version = randomVersion(random);
  const listener = random.pick(listeners);
  const { kind, packets } = drawPackets(random, version);
  const isProxied = listener === 'proxy' && !random.chance(5);
  return {
    index,
    kind,
    listener,
    version,
    chunks: rechunk(random, isProxied ? [proxyHeader, ...packets] : packets),
    isSplit: random.chance(30),
    acknowledges: random.pick(['never', 'rightly', 'rightly', 'wrongly'] as const),
    isDeaf: random.chance(10),
    isPaced: random.chance(40),
    ending: random.chance(75) ? 'reset' : 'end',
    stayMs: random.pick([0, 5, 20, 50, 200, 800]),
    random,
  };
}

function drawPackets(random: Random, version: Version) {
  const what = random.below(100);
  if (what < 25) return { kind: 'valid', packets: drawSession(random, version) };
  if (what < 80) {
    const count = random.between(1, 4);
    return { kind: 'mutated', packets: mutate(random, drawSession(random, version), count) };
  }
  if (what < 95) return { kind: 'corpus', packets: drawFromCorpus(random, version) };
  const noise = random.chance(50) ? random.bytes(random.between(1, 200)) : random.pick(garbage);
  return { kind: 'garbage', packets: [Buffer.from(noise as string, 'latin1')] };
}

function drawSession(random: Random, version: Version): Buffer[] {
  const count = random.pick([0, 1, 3, 10, 30]);
  const packets = Array.from({ length: count }, () => randomPacket(random, version));
  const session = [randomConnect(random, version), ...packets];
  if (random.chance(30)) session.push(randomDisconnect(random, version));
  return session;
}

/** A case’s own packets, or what one says in the middle of another session. */
function drawFromCorpus(random: Random, version: Version): Buffer[] {
  const { chunks }: HostileCase = random.pick(corpusOnTcp);
  const whole = chunks.length === 0 ? [Buffer.of(0)] : [...chunks];
  if (random.chance(50)) return whole;
  return [...drawSession(random, version), ...whole.slice(-1), randomPacket(random, version)];
}

/** For a report: enough to see what was sent. */
export function describeAttack(attack: Attack, bytesMax = 150): string {
  const all = Buffer.concat(attack.chunks);
  const shown = all.subarray(0, bytesMax).toString('hex');
  const rest = all.length > bytesMax ? `… (${all.length} bytes)` : '';
  const { index, kind, listener, version, acknowledges } = attack;
  const what = `#${index} ${kind} v${version} on ${listener}, acknowledges ${acknowledges}`;
  return `${what}: ${shown}${rest}`;
}
