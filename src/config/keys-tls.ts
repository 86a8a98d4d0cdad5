/** Keys of TLS, with certificates or pre-shared keys; all belong to a listener. */
import { isIP } from 'node:net';
import type { SniCertificate, TlsConfig } from './config.js';
import { type Key, listenerKey } from './key.js';
import { badValue, bool, oneOf, text, type ValueParser } from './values.js';

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
    'sni_certificate',
    sniCertificate(),
    (listener, certificate, line) => {
      const { tls } = listener;
      if (tls.sniCertificates.some(({ host }) => host === certificate.host)) {
        line.fail(`this listener has an sni_certificate for ${certificate.host} already`);
      }
      tls.sniCertificates = Object.freeze([...tls.sniCertificates, certificate]);
    },
    { again: 'append' },
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

/** As clients send it: ASCII, so an international name in its form `xn--…`. */
const hostName = /^(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/;

function sniCertificate(): ValueParser<SniCertificate> {
  const parser: ValueParser<SniCertificate> = {
    words: 'rest',
    expects: 'HOST CERTFILE KEYFILE, with a host name such as a.example or *.a.example',
    read: (value, line) => {
      const [name, certFile, keyFile, ...more] = value.split(/[ \t]+/);
      const host = name.toLowerCase();
      const isWhole = certFile !== undefined && keyFile !== undefined;
      const isOver = more.length === 0 || more[0].startsWith('#');
      if (!isWhole || !isOver || !hostName.test(host) || isIP(host) !== 0) {
        return badValue(parser, value, line);
      }
      return Object.freeze({ host, certFile, keyFile });
    },
  };
  return parser;
}
