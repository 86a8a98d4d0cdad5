/** What the values of a bridge look like that have a form of their own. */
import { isIPv6 } from 'node:net';
import type { BridgeAddress, BridgeTopic, RestartDelay } from './bridge-config.js';
import { DEFAULT_BRIDGE_PORT } from './bridge-config.js';
import type { LineContext } from './place.js';
import { badValue, shorten, type ValueParser } from './values.js';

const SECONDS_MAX = 2_147_483;

/** `host`, `host:port`, `[::1]:port`; several separated by spaces. */
export const bridgeAddresses: ValueParser<readonly BridgeAddress[]> = {
  words: 'rest',
  expects: 'HOST or HOST:PORT, several separated by spaces; an IPv6 address as [::1]:1883',
  read: (value, line) => {
    const words = beforeComment(value);
    if (words.length === 0) return badValue(bridgeAddresses, value, line);
    return Object.freeze(
      words.map((word) => addressOf(word) ?? badValue(bridgeAddresses, word, line)),
    );
  },
};

/** `topic PATTERN [[[out | in | both] QOS] LOCAL-PREFIX REMOTE-PREFIX]` */
export const bridgeTopic: ValueParser<BridgeTopic> = {
  words: 'rest',
  expects: 'PATTERN [out|in|both [0|1|2 [LOCAL-PREFIX REMOTE-PREFIX]]]',
  read: (value, line: LineContext) => {
    const words = value.split(/[ \t]+/);
    const [pattern, direction = 'out', qos = '0', local = '""', remote = '""', ...more] = words;
    if (direction !== 'out' && direction !== 'in' && direction !== 'both') {
      line.fail(`topic direction "${shorten(direction)}" is not valid: expected out, in or both`);
    }
    if (qos !== '0' && qos !== '1' && qos !== '2') {
      line.fail(`topic QoS "${shorten(qos)}" is not valid: expected 0, 1 or 2`);
    }
    if (more.length > 0 && !more[0]!.startsWith('#')) {
      line.warn(`"${shorten(more.join(' '))}" behind the prefixes is ignored`);
    }
    const level = qos === '0' ? 0 : qos === '1' ? 1 : 2;
    return topicOf(pattern!, direction, level, unquoted(local), unquoted(remote), line);
  },
};

/** `20`: always that long. `10 30`: from 10 up to 30. */
export const restartDelay: ValueParser<RestartDelay> = {
  words: 'rest',
  expects: `BASE [CAP] in seconds, from 1 to ${SECONDS_MAX}, the cap not below the base`,
  read: (value, line) => {
    const words = beforeComment(value);
    const numbers = words.map(Number);
    const [baseS, capS] = numbers;
    const isNumeric = words.every((word) => /^[1-9][0-9]{0,6}$/.test(word));
    const isInRange = numbers.every((number) => number <= SECONDS_MAX);
    if (!isNumeric || !isInRange || baseS === undefined || words.length > 2) {
      return badValue(restartDelay, value, line);
    }
    if (capS !== undefined && capS < baseS) return badValue(restartDelay, value, line);
    return Object.freeze({ baseS, capS: capS ?? null });
  },
};

/** True for a name that may be published to. */
export function isPlainTopic(topic: string): boolean {
  return topic !== '' && !/[#+]/.test(topic);
}

function topicOf(
  pattern: string,
  direction: BridgeTopic['direction'],
  qos: BridgeTopic['qos'],
  localPrefix: string,
  remotePrefix: string,
  line: LineContext,
): BridgeTopic {
  for (const [side, prefix] of [
    ['local', localPrefix],
    ['remote', remotePrefix],
  ] as const) {
    if (/[#+]/.test(prefix)) {
      line.fail(`the ${side} prefix "${shorten(prefix)}" is not valid: + and # are not possible`);
    }
  }
  const shared = /^\$share\/([^/+#]+)\/(.+)$/.exec(pattern);
  if (pattern.startsWith('$share/') && shared === null) {
    line.fail(`the pattern "${shorten(pattern)}" is not valid: expected $share/NAME/FILTER`);
  }
  if (shared !== null && direction === 'both') {
    line.fail('a shared subscription is possible in one direction only: out or in');
  }
  const filter = unquoted(shared?.[2] ?? pattern);
  if (filter === '' && (localPrefix === '' || remotePrefix === '')) {
    line.fail('an empty pattern needs both prefixes: topic "" out 0 LOCAL-TOPIC REMOTE-TOPIC');
  }
  const localFilter = localPrefix + filter;
  const remoteFilter = remotePrefix + filter;
  for (const whole of [localFilter, remoteFilter]) {
    if (!isFilter(whole)) line.fail(`"${shorten(whole)}" is no topic filter`);
  }
  const shareName = shared?.[1] ?? null;
  return Object.freeze({
    ...{ direction, qos, localPrefix, remotePrefix, localFilter, remoteFilter, shareName },
  });
}

/** `+` fills a level, `#` the last one. */
function isFilter(filter: string): boolean {
  const levels = filter.split('/');
  return levels.every((level, index) => {
    if (level === '+') return true;
    if (level === '#') return index === levels.length - 1;
    return !/[#+]/.test(level);
  });
}

function addressOf(word: string): BridgeAddress | null {
  if (isIPv6(word)) return Object.freeze({ host: word, port: DEFAULT_BRIDGE_PORT });
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]]+))(?::([1-9][0-9]{0,4}))?$/i.exec(word);
  if (match === null) return null;
  const [, address, name, digits] = match;
  const port = digits === undefined ? DEFAULT_BRIDGE_PORT : Number(digits);
  if (port > 65_535 || (address !== undefined && !isIPv6(address))) return null;
  return Object.freeze({ host: (address ?? name)!, port });
}

function unquoted(word: string): string {
  return word === '""' ? '' : word;
}

function beforeComment(value: string): string[] {
  const words = value.split(/[ \t]+/);
  const comment = words.findIndex((word) => word.startsWith('#'));
  return comment < 0 ? words : words.slice(0, comment);
}
