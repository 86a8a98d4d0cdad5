/**
 * Keys that are known but not honoured: those of mosquitto.conf(5) 2.0 and 2.1 that this broker
 * does not have, each with what to do instead, and our own that come with later versions.
 */
import type { Key } from './key.js';

const plugins =
  'Mosquitto’s plugins cannot be loaded and this line has no effect: use password_file and ' +
  'acl_file, or the library’s authenticate and authorize hooks';
const engines = 'OpenSSL engines are not supported: give the private key as a PEM file in keyfile';

interface Advice {
  readonly advice: string;
  /** Values that ask for nothing and so need no warning. */
  readonly harmless?: readonly string[];
  /** True: an error, since the file asks for what only a later version can do. */
  readonly isError?: boolean;
}

const later: Advice = {
  advice: 'not available in this version: remove this line',
  isError: true,
};

const pluginNames = [
  'auth_plugin',
  'auth_plugin_deny_special_chars',
  'global_plugin',
  'plugin',
  'plugin_load',
  'plugin_use',
];

const tcpOptions =
  'not supported and without effect: use keepalive_interval to notice a connection that is gone';

const others: readonly (readonly [name: string, advice: Advice])[] = [
  ['bridge_max_topic_alias', { advice: 'not supported: a bridge always sends the topic name' }],
  ['bridge_tcp_keepalive', { advice: tcpOptions }],
  ['bridge_tcp_user_timeout', { advice: tcpOptions }],
  [
    'disable_client_cert_date_checks',
    {
      advice: 'not supported: client certificates out of their dates are always refused',
      harmless: ['false', '0'],
    },
  ],
  [
    'enable_control_api',
    {
      advice: 'the $CONTROL API is not supported and this line has no effect',
      harmless: ['false', '0'],
    },
  ],
  [
    'packet_buffer_size',
    {
      advice:
        'not needed: read buffers size themselves; for WebSocket headers use ' +
        'websockets_headers_size',
    },
  ],
  [
    'retain_expiry_interval',
    {
      advice: 'not needed: expired retained messages are removed without it',
    },
  ],
  [
    'retry_interval',
    {
      advice: 'no effect, as in Mosquitto since 1.5: messages are resent when a client reconnects',
    },
  ],
  ['tls_engine', { advice: engines }],
  ['tls_engine_kpass_sha1', { advice: engines }],
  ['tls_keyform', { advice: engines, harmless: ['pem'] }],
  [
    'websockets_log_level',
    {
      advice: 'not supported: use "log_type websockets"',
      harmless: ['0'],
    },
  ],
];

export const unsupportedKeys: readonly Key[] = [
  ...pluginNames.map((name) => unsupported(name, { advice: plugins })),
  unsupported('http_listener', later),
  ...others.map(([name, advice]) => unsupported(name, advice)),
];

/** `plugin_opt_anything`; null for every other key. */
export function pluginOption(name: string): Key | null {
  if (!/^(auth|plugin)_opt_./.test(name)) return null;
  return unsupported(name, { advice: plugins });
}

function unsupported(name: string, advice: Advice): Key {
  return {
    name,
    scope: 'unsupported',
    words: 'rest',
    expects: 'anything',
    again: 'append',
    needsListener: false,
    read: (value, line) => () => {
      if (advice.isError === true) line.fail(advice.advice);
      if (advice.harmless?.includes(value) !== true) line.warn(advice.advice);
    },
  };
}
