/** Keys of a listener: its address, its protocol and what its clients may do. */
import { isIP } from 'node:net';
import type { ProtocolVersion } from './config.js';
import { DEFAULT_WEBSOCKETS_HEADERS_SIZE } from './defaults.js';
import { globalKey, type Key, listenerKey } from './key.js';
import { badValue, bool, integer, oneOf, text, type ValueParser } from './values.js';

const needsListener = { needsListener: true } as const;
const once = { again: 'once' } as const;

export const listenerKeys: readonly Key[] = [
  globalKey('port', integer(1, 65_535), (draft, port) => {
    draft.defaultListener.port = port;
    draft.isDefaultListenerOpened = true;
  }),
  globalKey(
    'bind_address',
    text,
    (draft, host) => {
      draft.defaultListener.host = host;
      draft.isDefaultListenerOpened = true;
    },
    once,
  ),
  listenerKey(
    'bind_interface',
    text,
    (listener, name) => {
      listener.bindInterface = name;
    },
    { again: 'once', needsListener: true },
  ),
  listenerKey('protocol', oneOf('mqtt', 'websockets', 'http_api'), (listener, protocol, line) => {
    listener.isSkipped = protocol === 'http_api';
    if (protocol !== 'http_api') listener.protocol = protocol;
    else line.warn('Mosquitto’s HTTP API is not supported: this listener is not opened');
  }),
  listenerKey('socket_domain', oneOf('ipv4', 'ipv6'), (listener, domain, line) => {
    const version = listener.host === null ? 0 : isIP(listener.host);
    if (version !== 0 && version !== (domain === 'ipv4' ? 4 : 6)) {
      line.fail(`socket_domain ${domain} does not fit the listener’s address ${listener.host}`);
    }
    listener.socketDomain = domain;
  }),
  listenerKey(
    'accept_protocol_versions',
    protocolVersions(),
    (listener, versions) => {
      listener.acceptProtocolVersions = versions;
    },
    needsListener,
  ),
  listenerKey(
    'enable_proxy_protocol',
    oneOf('1', '2'),
    (listener, version) => {
      listener.proxyProtocol = version === '1' ? 1 : 2;
    },
    needsListener,
  ),
  // Ignoring `true` would let in the very clients that it keeps out, so it is an error.
  listenerKey(
    'proxy_protocol_v2_require_tls',
    bool,
    (_listener, isRequired, line) => {
      if (!isRequired) return;
      line.fail('not supported: let the proxy itself refuse plain connections, then remove this');
    },
    needsListener,
  ),
  listenerKey(
    'max_connections',
    integer(-1, 10_000_000, { below: -1, isCapped: true }),
    (listener, count) => {
      listener.maxConnections = count;
    },
  ),
  listenerKey(
    'mount_point',
    mountPoint(),
    (listener, prefix) => {
      listener.mountPoint = prefix;
    },
    needsListener,
  ),
  ...['max_qos', 'maximum_qos'].map((name) =>
    listenerKey(name, oneOf('0', '1', '2'), (listener, qos) => {
      listener.maxQos = qos === '0' ? 0 : qos === '1' ? 1 : 2;
    }),
  ),
  listenerKey('max_topic_alias', integer(0, 65_535), (listener, count) => {
    listener.maxTopicAlias = count;
  }),
  listenerKey('max_topic_alias_broker', integer(0, 65_535), (listener, count) => {
    listener.maxTopicAliasBroker = count;
  }),
  listenerKey('use_username_as_clientid', bool, (listener, isUsed) => {
    listener.useUsernameAsClientId = isUsed;
  }),
  listenerKey(
    'websockets_origin',
    text,
    (listener, origin) => {
      listener.websocketsOrigins.push(origin);
    },
    { again: 'append', needsListener: true },
  ),
  globalKey('websockets_headers_size', integer(0, 65_535), (draft, size) => {
    draft.websocketsHeadersSize = size === 0 ? DEFAULT_WEBSOCKETS_HEADERS_SIZE : size;
  }),
  listenerKey(
    'http_dir',
    text,
    (listener, folder) => {
      listener.httpDir = folder;
    },
    { again: 'once', needsListener: true },
  ),
];

function protocolVersions(): ValueParser<readonly ProtocolVersion[]> {
  const known: readonly ProtocolVersion[] = [3, 4, 5];
  const parser: ValueParser<readonly ProtocolVersion[]> = {
    words: 'rest',
    expects: 'some of 3, 4 and 5, separated by commas',
    read: (value, line) => {
      const words = value.replace(/(^|[\s,])#.*$/, '').split(/[\s,]+/);
      const wanted = words.filter((word) => word !== '');
      const isKnown = wanted.every((word) => ['3', '4', '5'].includes(word));
      if (wanted.length === 0 || !isKnown) return badValue(parser, value, line);
      return Object.freeze(known.filter((version) => wanted.includes(String(version))));
    },
  };
  return parser;
}

function mountPoint(): ValueParser<string> {
  const parser: ValueParser<string> = {
    words: 'rest',
    expects: 'a topic prefix without + and #',
    read: (value, line) => {
      const prefix = text.read(value, line);
      return /[+#]/.test(prefix) ? badValue(parser, value, line) : prefix;
    },
  };
  return parser;
}
