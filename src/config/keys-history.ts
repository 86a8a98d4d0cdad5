/** Keys of the history and of presence events. */
import { defaultHistory, type HistoryConfig } from './history-config.js';
import { globalKey, type Key } from './key.js';
import { failAt, type Place } from './place.js';
import { badValue, bool, integer, text, type ValueParser } from './values.js';

const BIG = Number.MAX_SAFE_INTEGER;
/** Ten years. */
const AGE_S_MAX = 315_360_000;
const FILTERS_MAX = 1_000;

/** While it is being read. */
export interface HistoryDraft {
  readonly filters: string[];
  /** What was given of the rest. */
  readonly given: { -readonly [Name in keyof HistoryConfig]?: HistoryConfig[Name] };
  /** Where each key was given last. */
  readonly places: Map<string, Place>;
}

export function newHistoryDraft(): HistoryDraft {
  return { filters: [], given: {}, places: new Map() };
}

type NumberField = {
  [Name in keyof HistoryConfig]: HistoryConfig[Name] extends number ? Name : never;
}[keyof HistoryConfig];

const numberKeys: readonly (readonly [
  name: string,
  field: NumberField,
  min: number,
  max: number,
])[] = [
  ['history_max_age_qos0', 'maxAgeQos0S', 0, AGE_S_MAX],
  ['history_max_age_qos1', 'maxAgeQos1S', 0, AGE_S_MAX],
  ['history_max_age_qos2', 'maxAgeQos2S', 0, AGE_S_MAX],
  ['history_max_bytes', 'maxBytes', 0, BIG],
  ['history_max_messages', 'maxMessages', 0, BIG],
  ['history_partitions', 'partitions', 1, 256],
  ['history_buffer_bytes', 'bufferBytes', 64 * 1024, BIG],
  ['presence_max_events', 'presenceMaxEvents', 1, BIG],
];

/** Plain ones: a shared subscription has no history of its own. */
const topicFilter: ValueParser<string> = {
  words: 'rest',
  expects: 'a topic filter, such as sensors/#; not of $SYS, and no shared subscription',
  read: (value, line) => {
    const filter = text.read(value, line);
    const isGood = isFilter(filter) && !/^\$(SYS|share)(\/|$)/.test(filter);
    return isGood ? filter : badValue(topicFilter, value, line);
  },
};

export const historyKeys: readonly Key[] = [
  globalKey(
    'history_filter',
    topicFilter,
    ({ history }, filter, line) => {
      if (history.filters.length === FILTERS_MAX) {
        line.fail(`history_filter can be given at most ${FILTERS_MAX} times`);
      }
      history.places.set('history_filter', line.place);
      history.filters.push(filter);
    },
    { again: 'append' },
  ),
  ...numberKeys.map(([name, field, min, max]) =>
    globalKey(name, integer(min, max), ({ history }, value, line) => {
      history.places.set(name, line.place);
      history.given[field] = value;
    }),
  ),
  globalKey('history_acknowledged', bool, ({ history }, isOn, line) => {
    history.places.set('history_acknowledged', line.place);
    history.given.isAcknowledged = isOn;
  }),
  globalKey('presence_stream', bool, ({ history }, isOn, line) => {
    history.places.set('presence_stream', line.place);
    history.given.hasPresence = isOn;
  }),
];

export interface HistoryOptions {
  readonly isRedis: boolean;
  readonly warn: (place: Place, key: string, message: string) => void;
}

/** @throws BrokerError `CONFIG` for a history without Redis */
export function assembleHistory(draft: HistoryDraft, options: HistoryOptions): HistoryConfig {
  const { filters, given, places } = draft;
  const hasPresence = given.hasPresence === true;
  const wanted = filters.length > 0 ? 'history_filter' : hasPresence ? 'presence_stream' : null;
  if (wanted !== null && !options.isRedis) {
    const advice = 'brokers keep it in Redis: add "store redis", or remove the line';
    failAt(places.get(wanted)!, `${wanted} needs "store redis": ${advice}`);
  }
  for (const [key, place] of places) {
    if (key === 'history_filter' || key === 'presence_stream') continue;
    const isOfPresence = key === 'presence_max_events';
    if (isOfPresence ? hasPresence : filters.length > 0) continue;
    const missing = isOfPresence ? '"presence_stream true"' : 'history_filter';
    options.warn(place, key, `no effect: there is no ${missing}`);
  }
  return defaultHistory({ ...given, filters: Object.freeze([...new Set(filters)]) });
}

function isFilter(filter: string): boolean {
  const levels = filter.split('/');
  if (filter === '' || filter.includes('\0')) return false;
  return levels.every((level, index) => {
    if (level === '#') return index === levels.length - 1;
    return level === '+' || !/[#+]/.test(level);
  });
}
