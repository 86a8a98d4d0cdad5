/**
 * Keys of a bridge, all below its `connection` line. What they come to together, and what does not
 * fit together, is `assembleBridges`’ to say.
 */
import { isIP } from 'node:net';
import type { BridgeTlsConfig } from './bridge-config.js';
import { EXPIRY_NEVER } from './bridge-config.js';
import type { BridgeDraft } from './bridge-draft.js';
import { bridgeAddresses, bridgeTopic, isPlainTopic, restartDelay } from './bridge-values.js';
import { type Key, type KeyOptions, makeKey } from './key.js';
import type { LineContext } from './place.js';
import { badValue, bool, integer, oneOf, text, type ValueParser } from './values.js';

const once = { again: 'once' } as const;
const append = { again: 'append' } as const;

const SECONDS_MAX = 2_147_483;
const KEEP_ALIVE_MIN = 5;

/** Fields of `T` that take exactly what an `Of` is. */
type Name<T, Of> = {
  [Field in keyof T]: [T[Field], Of] extends [Of, T[Field]] ? Field : never;
}[keyof T];

/** As in Mosquitto, the same text twice is an error: some of it is secret, so it is not quoted. */
const textKeys: readonly (readonly [key: string, field: Name<BridgeDraft, string | null>])[] = [
  ['remote_clientid', 'remoteClientId'],
  ['clientid', 'remoteClientId'],
  ['remote_username', 'remoteUsername'],
  ['username', 'remoteUsername'],
  ['remote_password', 'remotePassword'],
  ['password', 'remotePassword'],
  ['local_clientid', 'localClientId'],
  ['local_username', 'localUsername'],
  ['local_password', 'localPassword'],
];

const boolKeys: readonly (readonly [key: string, field: Name<BridgeDraft, boolean>])[] = [
  ['round_robin', 'roundRobin'],
  ['cleansession', 'cleanSession'],
  ['try_private', 'tryPrivate'],
  ['notifications', 'hasNotifications'],
  ['notifications_local_only', 'notifiesLocallyOnly'],
  ['bridge_attempt_unsubscribe', 'attemptUnsubscribe'],
  ['bridge_outgoing_retain', 'outgoingRetain'],
  ['bridge_tls_use_os_certs', 'usesSystemAuthorities'],
];

const tlsKeys: readonly (readonly [key: string, field: Name<BridgeTlsConfig, string | null>])[] = [
  ['bridge_cafile', 'caFile'],
  ['bridge_capath', 'caPath'],
  ['bridge_certfile', 'certFile'],
  ['bridge_keyfile', 'keyFile'],
  ['bridge_alpn', 'alpn'],
  ['bridge_identity', 'identity'],
  ['bridge_ciphers', 'ciphers'],
  ['bridge_ciphers_tls1.3', 'ciphersTls13'],
];

export const bridgeKeys: readonly Key[] = [
  ...['address', 'addresses'].map((name) =>
    bridgeKey(
      name,
      bridgeAddresses,
      (bridge, addresses) => {
        bridge.addresses = addresses;
      },
      once,
    ),
  ),
  bridgeKey('topic', bridgeTopic, (bridge, topic) => void bridge.topics.push(topic), append),
  ...textKeys.map(([key, field]) =>
    bridgeKey(
      key,
      text,
      (bridge, value) => {
        bridge[field] = value;
      },
      once,
    ),
  ),
  ...boolKeys.map(([key, field]) =>
    bridgeKey(key, bool, (bridge, isOn) => {
      bridge[field] = isOn;
    }),
  ),
  bridgeKey('local_cleansession', bool, (bridge, isClean) => {
    bridge.localCleanSession = isClean;
  }),
  bridgeKey('keepalive_interval', integer(0, 65_535), (bridge, seconds, line) => {
    if (seconds < KEEP_ALIVE_MIN) line.warn(`the lowest keep-alive interval is ${KEEP_ALIVE_MIN}`);
    bridge.keepAliveS = Math.max(seconds, KEEP_ALIVE_MIN);
  }),
  bridgeKey('idle_timeout', integer(1, SECONDS_MAX, { below: 1 }), (bridge, seconds) => {
    bridge.idleTimeoutS = seconds;
  }),
  bridgeKey('threshold', integer(1, 2_147_483_647, { below: 1 }), (bridge, count) => {
    bridge.threshold = count;
  }),
  bridgeKey('restart_timeout', restartDelay, (bridge, delay) => {
    bridge.restart = delay;
  }),
  bridgeKey('start_type', oneOf('automatic', 'lazy', 'once', 'manual'), (bridge, type, line) => {
    bridge.startType =
      type === 'manual' ? line.fail('start_type manual is not possible, as in Mosquitto') : type;
  }),
  bridgeKey(
    'notification_topic',
    topicName(),
    (bridge, topic) => {
      bridge.notificationTopic = topic;
    },
    once,
  ),
  bridgeKey(
    'bridge_protocol_version',
    oneOf('mqttv50', 'mqttv311', 'mqttv31'),
    (bridge, version) => {
      bridge.protocolVersion = version === 'mqttv50' ? 5 : version === 'mqttv311' ? 4 : 3;
    },
  ),
  bridgeKey(
    'bridge_bind_address',
    ipAddress(),
    (bridge, address) => {
      bridge.bindAddress = address;
    },
    once,
  ),
  bridgeKey('bridge_max_packet_size', integer(0, 268_435_460), (bridge, bytes) => {
    bridge.maxPacketSize = bytes;
  }),
  bridgeKey('bridge_receive_maximum', integer(1, 65_535), (bridge, count) => {
    bridge.receiveMaximum = count;
  }),
  bridgeKey('bridge_session_expiry_interval', integer(0, EXPIRY_NEVER), (bridge, seconds) => {
    bridge.sessionExpiryS = seconds;
  }),
  bridgeKey('bridge_reload_type', oneOf('lazy', 'immediate'), (bridge, type) => {
    bridge.reloadType = type;
  }),
  ...tlsKeys.map(([key, field]) =>
    bridgeKey(
      key,
      text,
      (bridge, value) => {
        bridge.tls[field] = value;
      },
      once,
    ),
  ),
  bridgeKey(
    'bridge_psk',
    hexKey(),
    (bridge, key) => {
      bridge.tls.psk = key;
    },
    once,
  ),
  bridgeKey('bridge_insecure', bool, (bridge, isInsecure) => {
    bridge.tls.insecure = isInsecure;
  }),
  bridgeKey(
    'bridge_tls_version',
    oneOf('tlsv1.3', 'tlsv1.2', 'tlsv1.1'),
    (bridge, version, line) => {
      bridge.tls.version =
        version === 'tlsv1.1'
          ? line.fail('TLS 1.1 is not supported: 1.2 is the lowest version')
          : version;
    },
    once,
  ),
  // Ignoring `true` would trust certificates that it keeps out, so it is an error.
  bridgeKey('bridge_require_ocsp', bool, (_bridge, isRequired, line) => {
    if (isRequired) line.fail('not supported: Node cannot check OCSP answers; remove this line');
  }),
];

function bridgeKey<T>(
  name: string,
  value: ValueParser<T>,
  set: (bridge: BridgeDraft, value: T, line: LineContext) => void,
  options: KeyOptions = {},
): Key {
  return makeKey(name, 'bridge', value, options, ({ bridge }, parsed, line) => {
    bridge!.places.set(name, line.place);
    set(bridge!, parsed, line);
  });
}

function topicName(): ValueParser<string> {
  const parser: ValueParser<string> = {
    words: 'rest',
    expects: 'a topic name without + and #',
    read: (value, line) => (isPlainTopic(value) ? value : badValue(parser, value, line)),
  };
  return parser;
}

function ipAddress(): ValueParser<string> {
  const parser: ValueParser<string> = {
    words: 'one',
    expects: 'an IP address of this machine',
    read: (value, line) => (isIP(value) === 0 ? badValue(parser, value, line) : value),
  };
  return parser;
}

/** Never quoted: it is a secret. */
function hexKey(): ValueParser<string> {
  return {
    words: 'one',
    expects: 'a key in hexadecimal digits without 0x',
    read: (value, line) => {
      const isHex = /^([0-9a-f]{2})+$/i.test(value);
      return isHex ? value : line.fail('bridge_psk expects a key in pairs of hexadecimal digits');
    },
  };
}
