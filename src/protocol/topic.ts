/** Topic names and topic filters (MQTT 5.0 sections 4.7 and 4.8). */

const HASH = 0x23;
const PLUS = 0x2b;
const SLASH = 0x2f;
const SHARE_PREFIX = '$share/';

/** Number of levels of a topic name or filter, at least 1. */
export function topicLevels(topic: string): number {
  let levels = 1;
  for (let at = topic.indexOf('/'); at >= 0; at = topic.indexOf('/', at + 1)) levels++;
  return levels;
}

/** True for a name that may be published to [MQTT-3.3.2-2] [MQTT-4.7.3-1]. */
export function isTopicName(topic: string): boolean {
  return topic.length > 0 && !hasWildcard(topic);
}

export function hasWildcard(topic: string): boolean {
  for (let at = 0; at < topic.length; at++) {
    const char = topic.charCodeAt(at);
    if (char === HASH || char === PLUS) return true;
  }
  return false;
}

/** True for a well-formed filter, not of a shared subscription [MQTT-4.7.1-1] [MQTT-4.7.1-2]. */
export function isTopicFilter(filter: string): boolean {
  const length = filter.length;
  if (length === 0) return false;
  for (let at = 0; at < length; at++) {
    const char = filter.charCodeAt(at);
    if (char !== HASH && char !== PLUS) continue;
    if (at > 0 && filter.charCodeAt(at - 1) !== SLASH) return false;
    if (char === HASH) return at === length - 1;
    if (at + 1 < length && filter.charCodeAt(at + 1) !== SLASH) return false;
  }
  return true;
}

export interface SharedFilter {
  readonly shareName: string;
  readonly filter: string;
}

export function isShared(filter: string): boolean {
  return filter.startsWith(SHARE_PREFIX);
}

/** Splits `$share/NAME/FILTER`; null when it is malformed [MQTT-4.8.2-1] [MQTT-4.8.2-2]. */
export function parseSharedFilter(filter: string): SharedFilter | null {
  const slash = filter.indexOf('/', SHARE_PREFIX.length);
  if (slash < 0) return null;
  const shareName = filter.slice(SHARE_PREFIX.length, slash);
  const rest = filter.slice(slash + 1);
  if (shareName.length === 0 || hasWildcard(shareName) || !isTopicFilter(rest)) return null;
  return { shareName, filter: rest };
}

/** True when `topic` matches `filter`; the slow, obvious reading of section 4.7. */
export function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && !filter.startsWith('$')) return false;
  const filterLevels = filter.split('/');
  const levels = topic.split('/');
  for (let index = 0; index < filterLevels.length; index++) {
    const level = filterLevels[index];
    if (level === '#') return true;
    if (index >= levels.length) return false;
    if (level !== '+' && level !== levels[index]) return false;
  }
  return filterLevels.length === levels.length;
}
