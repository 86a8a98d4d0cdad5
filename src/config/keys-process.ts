/** Keys of the process and its store. */
import type { Draft } from './draft.js';
import { globalKey, type Key } from './key.js';
import type { LineContext } from './place.js';
import { bool, integer, oneOf, text } from './values.js';

const once = { again: 'once' } as const;

export const processKeys: readonly Key[] = [
  globalKey(
    'pid_file',
    text,
    (draft, path) => {
      draft.pidFile = path;
    },
    once,
  ),
  globalKey('user', text, (draft, user) => {
    draft.user = user;
  }),
  globalKey('set_tcp_nodelay', bool, (draft, isOn) => {
    draft.setTcpNodelay = isOn;
  }),
  globalKey('store', oneOf('memory', 'disk', 'redis'), (_draft, kind, line) => {
    if (kind === 'memory') return;
    line.fail(`store ${kind} is not available in this version: the only store is memory`);
  }),
  ...['persistence', 'retained_persistence'].map((name) =>
    globalKey(name, bool, (draft, isOn, line) => {
      draft.isPersistent = isOn;
      if (!isOn) return;
      line.warn(
        'nothing is written to disk in this version: sessions, queued and retained messages ' +
          'do not survive a restart',
      );
    }),
  ),
  globalKey('persistence_location', text, noteForDisk, once),
  globalKey('persistence_file', text, noteForDisk, once),
  globalKey('autosave_interval', integer(0, 2_147_483_647, { below: 0 }), noteForDisk),
  globalKey('autosave_on_changes', bool, noteForDisk),
];

/** Without `persistence true` these lines mean nothing in Mosquitto either, and stay silent. */
function noteForDisk(draft: Draft, _value: unknown, line: LineContext): void {
  draft.persistenceLines.push({ key: line.key, place: line.place });
}
