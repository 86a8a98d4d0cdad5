/** Keys that say who may come in: global, or per listener with `per_listener_settings true`. */
import { accessKey, globalKey, type Key, listenerKey } from './key.js';
import { badValue, bool, text, type ValueParser } from './values.js';

/** As in Mosquitto 2.1, so that prefix and random part stay a sensible client id. */
const ID_PREFIX_BYTES_MAX = 50;

const needsListener = { needsListener: true } as const;

export const accessKeys: readonly Key[] = [
  accessKey('allow_anonymous', bool, (access, isAllowed) => {
    access.allowAnonymous = isAllowed;
  }),
  accessKey('password_file', text, (access, path) => {
    access.passwordFile = path;
  }),
  accessKey('acl_file', text, (access, path) => {
    access.aclFile = path;
  }),
  accessKey('psk_file', text, (access, path) => {
    access.pskFile = path;
  }),
  accessKey('allow_zero_length_clientid', bool, (access, isAllowed) => {
    access.allowZeroLengthClientId = isAllowed;
  }),
  accessKey(
    'auto_id_prefix',
    idPrefix(),
    (access, prefix) => {
      access.autoIdPrefix = prefix;
    },
    { again: 'once' },
  ),
  listenerKey(
    'listener_allow_anonymous',
    bool,
    (listener, isAllowed) => {
      listener.access.allowAnonymous = isAllowed;
    },
    needsListener,
  ),
  listenerKey(
    'listener_auto_id_prefix',
    idPrefix(),
    (listener, prefix) => {
      listener.access.autoIdPrefix = prefix;
    },
    { again: 'once', needsListener: true },
  ),
  globalKey('clientid_prefixes', text, (draft, prefix) => {
    draft.clientIdPrefixes = prefix;
  }),
];

function idPrefix(): ValueParser<string> {
  const parser: ValueParser<string> = {
    words: 'rest',
    expects: `a text of at most ${ID_PREFIX_BYTES_MAX} bytes`,
    read: (value, line) => {
      const prefix = text.read(value, line);
      const isShort = Buffer.byteLength(prefix) <= ID_PREFIX_BYTES_MAX;
      return isShort ? prefix : badValue(parser, value, line);
    },
  };
  return parser;
}
