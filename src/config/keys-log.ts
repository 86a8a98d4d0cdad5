/** Keys of the log and of `$SYS`. */
import type { LogDestination, LogType } from './config.js';
import { allLogTypes, SYSLOG_LOCAL0 } from './defaults.js';
import { globalKey, type Key } from './key.js';
import { badValue, bool, integer, oneOf, text, type ValueParser } from './values.js';

type DestinationValue =
  | LogDestination
  | { readonly kind: 'none' }
  | { readonly kind: 'dlt' }
  | { readonly kind: 'android' };

export const logKeys: readonly Key[] = [
  globalKey(
    'log_dest',
    destination(),
    (draft, value, line) => {
      if (value.kind === 'dlt' || value.kind === 'android') {
        line.warn(`log_dest ${value.kind} is not supported: use stderr, syslog or file`);
        return;
      }
      const before = draft.logDestinations ?? [];
      if (value.kind === 'none') {
        draft.logDestinations = [];
      } else if (!before.some((other) => other.kind === value.kind)) {
        draft.logDestinations = [...before, value];
      } else if (value.kind === 'file') {
        line.fail('there is a "log_dest file" already, and only one is possible');
      }
    },
    { again: 'append' },
  ),
  globalKey(
    'log_type',
    oneOf('none', 'all', ...allLogTypes),
    (draft, value) => {
      draft.logTypes = withLogType(draft.logTypes ?? [], value);
    },
    { again: 'append' },
  ),
  globalKey('log_timestamp', bool, (draft, isOn) => {
    draft.logTimestamp = isOn;
  }),
  globalKey(
    'log_timestamp_format',
    text,
    (draft, format) => {
      draft.logTimestampFormat = format;
    },
    { again: 'once' },
  ),
  globalKey('log_facility', integer(0, 7), (draft, local) => {
    draft.logFacility = SYSLOG_LOCAL0 + local;
  }),
  globalKey('connection_messages', bool, (draft, isOn) => {
    draft.connectionMessages = isOn;
  }),
  globalKey('sys_interval', integer(0, 65_535), (draft, seconds) => {
    draft.sysInterval = seconds;
  }),
];

/** `none` and `all` replace what was there; everything else adds. */
function withLogType(types: readonly LogType[], value: LogType | 'none' | 'all'): LogType[] {
  if (value === 'none') return [];
  if (value === 'all') return [...allLogTypes];
  return types.includes(value) ? [...types] : [...types, value];
}

function destination(): ValueParser<DestinationValue> {
  const kinds = ['stdout', 'stderr', 'syslog', 'topic', 'none', 'dlt', 'android'] as const;
  const parser: ValueParser<DestinationValue> = {
    words: 'rest',
    expects: `${kinds.join(', ')}, or file PATH`,
    read: (value, line) => {
      const [kind, ...more] = value.split(/[ \t]+/);
      if (kind === 'file') {
        if (more.length === 0) line.fail('"log_dest file" needs the path of a file');
        return { kind, path: value.slice('file'.length).trim() };
      }
      const found = kinds.find((known) => known === kind);
      if (found === undefined) return badValue(parser, value, line);
      if (more.length > 0 && !more[0].startsWith('#')) {
        line.warn(`"${more.join(' ')}" is ignored: one destination per line`);
      }
      return { kind: found };
    },
  };
  return parser;
}
