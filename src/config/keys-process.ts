/** Keys of the process. */
import { globalKey, type Key } from './key.js';
import { bool, text } from './values.js';

export const processKeys: readonly Key[] = [
  globalKey(
    'pid_file',
    text,
    (draft, path) => {
      draft.pidFile = path;
    },
    { again: 'once' },
  ),
  globalKey('user', text, (draft, user) => {
    draft.user = user;
  }),
  globalKey('set_tcp_nodelay', bool, (draft, isOn) => {
    draft.setTcpNodelay = isOn;
  }),
];
