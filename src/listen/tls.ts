/**
 * TLS contexts from files. Every file is read and checked by itself first, so that a mistake is
 * reported by its name; only then is a context built.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createSecureContext,
  DEFAULT_CIPHERS,
  type SecureContext,
  type SecureContextOptions,
} from 'node:tls';
import { BrokerError, messageOf, systemCode } from '../base/errors.js';
import type { TlsConfig } from '../config/config.js';

const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const pemCrl = /-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g;
const pemDhParameters = /-----BEGIN DH PARAMETERS-----([^-]+)-----END DH PARAMETERS-----/;
// Suites without encryption are never meant.
const pskCiphers = 'PSK:!eNULL';

/** Everything that makes a secure context; throws a BrokerError `TLS` that names the bad file. */
export function readTlsFiles(tls: TlsConfig, withPsk: boolean): SecureContextOptions {
  const options: SecureContextOptions = { ciphers: cipherList(tls, withPsk) };
  if (!withPsk) Object.assign(options, readKeyPair(tls));
  const ca = readAuthorities(tls);
  if (ca.length > 0) options.ca = ca;
  else if (tls.requireCertificate) {
    throw tlsError('require_certificate needs cafile or capath: whose certificates are good?');
  }
  if (tls.crlFile !== null) {
    if (ca.length === 0) throw tlsError('crlfile needs cafile or capath');
    options.crl = readPem(tls.crlFile, 'crlfile', pemCrl);
  }
  if (tls.dhParamFile !== null) options.dhparam = readDhParameters(tls.dhParamFile);
  if (tls.tlsVersion !== null) {
    options.minVersion = tls.tlsVersion === 'tlsv1.3' ? 'TLSv1.3' : 'TLSv1.2';
  }
  // Pre-shared keys as listeners use them belong to TLS 1.2.
  if (withPsk) {
    if (tls.tlsVersion === 'tlsv1.3') throw tlsError('psk_hint needs tls_version tlsv1.2');
    options.maxVersion = 'TLSv1.2';
  }
  contextOf(options, tls);
  return options;
}

/**
 * Contexts by host name, each with a certificate of its own and otherwise the listener's `base`;
 * throws a BrokerError `TLS` that names the host and the bad file.
 */
export function readSniCertificates(
  tls: TlsConfig,
  base: SecureContextOptions,
): Map<string, SecureContext> {
  const contexts = new Map<string, SecureContext>();
  for (const { host, ...files } of tls.sniCertificates) {
    try {
      contexts.set(host, contextOf({ ...base, ...readKeyPair(files) }, tls));
    } catch (cause) {
      throw tlsError(`sni_certificate ${host}: ${messageOf(cause)}`, cause);
    }
  }
  return contexts;
}

function readKeyPair(files: {
  readonly certFile: string | null;
  readonly keyFile: string | null;
}): { cert: string; key: string } {
  if (files.certFile === null) throw tlsError('certfile is missing; keyfile alone is no use');
  if (files.keyFile === null) throw tlsError('keyfile is missing; certfile alone is no use');
  const cert = readPem(files.certFile, 'certfile', pemCertificate).join('\n');
  const key = readText(files.keyFile, 'keyfile');
  try {
    const privateKey = createPrivateKey(key);
    if (!new X509Certificate(cert).checkPrivateKey(privateKey)) {
      throw tlsError(`keyfile ${files.keyFile} does not belong to certfile ${files.certFile}`);
    }
  } catch (cause) {
    if (cause instanceof BrokerError) throw cause;
    if (systemCode(cause) === 'ERR_MISSING_PASSPHRASE' || key.includes('ENCRYPTED')) {
      const advice = `decrypt it with: openssl pkey -in ${files.keyFile} -out plain.key`;
      throw tlsError(`keyfile ${files.keyFile} is encrypted; ${advice}`, cause);
    }
    throw tlsError(`keyfile ${files.keyFile} holds no private key in PEM form`, cause);
  }
  return { cert, key };
}

/** The certificates of cafile and of every file in capath; none: an empty list. */
function readAuthorities(tls: TlsConfig): string[] {
  const found = new Set<string>();
  if (tls.caFile !== null) {
    for (const pem of readPem(tls.caFile, 'cafile', pemCertificate)) found.add(pem);
  }
  if (tls.caPath !== null) {
    for (const name of readFolder(tls.caPath)) {
      // Such folders hold links by hash, CRLs and notes beside the certificates.
      const text = readText(join(tls.caPath, name), 'capath');
      for (const pem of text.match(pemCertificate) ?? []) found.add(pem);
    }
    if (found.size === 0) throw tlsError(`capath ${tls.caPath} holds no certificate in PEM form`);
  }
  return [...found];
}

function readFolder(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
  } catch (cause) {
    throw unreadable('capath', path, cause);
  }
}

function readPem(path: string, key: string, block: RegExp): string[] {
  const found = readText(path, key).match(block);
  if (found === null) {
    const what = block === pemCrl ? 'revocation list' : 'certificate';
    throw tlsError(`${key} ${path} holds no ${what} in PEM form`);
  }
  for (const pem of block === pemCertificate ? found : []) {
    try {
      new X509Certificate(pem);
    } catch (cause) {
      throw tlsError(`${key} ${path} holds a damaged certificate`, cause);
    }
  }
  return [...found];
}

/** Node takes bad parameters without a word and then does without them. */
function readDhParameters(path: string): string {
  const text = readText(path, 'dhparamfile');
  const base64 = pemDhParameters.exec(text)?.[1];
  const der = Buffer.from(base64 ?? '', 'base64');
  // A SEQUENCE with two bytes of length, as long as it says.
  const head = Buffer.from([0x30, 0x82, (der.length - 4) >> 8, (der.length - 4) & 0xff]);
  if (der.length > 4 && head.equals(der.subarray(0, 4))) return text;
  const advice = `make them with: openssl dhparam -out ${path} 2048`;
  throw tlsError(`dhparamfile ${path} holds no usable parameters in PEM form; ${advice}`);
}

function readText(path: string, key: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (cause) {
    throw unreadable(key, path, cause);
  }
}

function unreadable(key: string, path: string, cause: unknown): BrokerError {
  const code = systemCode(cause);
  const why =
    code === 'ENOENT'
      ? 'does not exist'
      : code === 'EACCES'
        ? 'may not be read by this user'
        : `cannot be read (${code ?? messageOf(cause)})`;
  return tlsError(`${key} ${path} ${why}`, cause);
}

/**
 * Node takes one list for both TLS generations and switches the one off that it has no suite of,
 * so the half that is not configured gets Node's defaults.
 */
function cipherList(tls: TlsConfig, withPsk: boolean): string {
  const defaults = DEFAULT_CIPHERS.split(':');
  const tls13 = tls.ciphersTls13 ?? defaults.filter((name) => name.startsWith('TLS_')).join(':');
  const older = defaults.filter((name) => !name.startsWith('TLS_')).join(':');
  // Node's defaults exclude PSK, so a PSK listener has a list of its own.
  return `${tls13}:${tls.ciphers ?? (withPsk ? pskCiphers : older)}`;
}

function contextOf(options: SecureContextOptions, tls: TlsConfig): SecureContext {
  try {
    return createSecureContext(options);
  } catch (cause) {
    const text = messageOf(cause);
    if (/cipher/i.test(text)) {
      const given = [tls.ciphers, tls.ciphersTls13].filter((list) => list !== null).join(', ');
      throw tlsError(`ciphers or ciphers_tls1.3: OpenSSL knows none of '${given}'`, cause);
    }
    if (/\bdh\b|dh key|dhparam/i.test(text)) {
      throw tlsError(`dhparamfile ${tls.dhParamFile}: ${text}`, cause);
    }
    if (/crl/i.test(text)) throw tlsError(`crlfile ${tls.crlFile}: ${text}`, cause);
    throw tlsError(`OpenSSL refuses the certificates: ${text}`, cause);
  }
}

function tlsError(message: string, cause?: unknown): BrokerError {
  return new BrokerError('TLS', message, { cause });
}
