/** Keys of TLS, with certificates or pre-shared keys; all belong to a listener. */
import type { TlsConfig } from './config.js';
import { type Key, listenerKey } from './key.js';
import { bool, oneOf, text } from './values.js';

type TextField = {
  [Name in keyof TlsConfig]: TlsConfig[Name] extends string | null
    ? string extends NonNullable<TlsConfig[Name]>
      ? Name
      : never
    : never;
}[keyof TlsConfig];

const textKeys: readonly (readonly [key: string, field: TextField])[] = [
  ['cafile', 'caFile'],
  ['capath', 'caPath'],
  ['certfile', 'certFile'],
  ['keyfile', 'keyFile'],
  ['crlfile', 'crlFile'],
  ['ciphers', 'ciphers'],
  ['ciphers_tls1.3', 'ciphersTls13'],
  ['dhparamfile', 'dhParamFile'],
];

export const tlsKeys: readonly Key[] = [
  ...textKeys.map(([key, field]) =>
    listenerKey(key, text, (listener, value) => {
      listener.tls[field] = value;
    }),
  ),
  listenerKey(
    'psk_hint',
    text,
    (listener, hint) => {
      listener.tls.pskHint = hint;
    },
    { again: 'once' },
  ),
  listenerKey(
    'tls_version',
    oneOf('tlsv1.3', 'tlsv1.2', 'tlsv1.1'),
    (listener, version, line) => {
      if (version === 'tlsv1.1') line.warn('TLS 1.1 is not supported: 1.2 is the lowest version');
      listener.tls.tlsVersion = version === 'tlsv1.1' ? 'tlsv1.2' : version;
    },
    { again: 'once' },
  ),
  listenerKey('require_certificate', bool, (listener, isRequired) => {
    listener.tls.requireCertificate = isRequired;
  }),
  listenerKey('use_identity_as_username', bool, (listener, isUsed) => {
    listener.useIdentityAsUsername = isUsed;
  }),
  listenerKey('use_subject_as_username', bool, (listener, isUsed) => {
    listener.useSubjectAsUsername = isUsed;
  }),
];
