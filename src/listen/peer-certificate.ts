/** What a verified client certificate says about its owner, in the forms that Mosquitto uses. */
import type { TLSSocket } from 'node:tls';

export interface CertificateOwner {
  /** The first common name; null without one. */
  readonly identity: string | null;
  /** RFC 2253: most specific part first, `CN=x,OU=y,O=z`. */
  readonly subject: string | null;
}

const nobody: CertificateOwner = { identity: null, subject: null };

/** The owner of the certificate that the client of `socket` showed. */
export function certificateOwner(socket: TLSSocket): CertificateOwner {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return nobody;
  const { subject } = socket.getPeerCertificate();
  const commonName: string | readonly string[] | undefined = subject?.CN;
  const first = typeof commonName === 'string' ? commonName : (commonName?.[0] ?? null);
  // A NUL inside a name makes it look like another one to C programs: such a name counts for none.
  const identity = first === null || first === '' || first.includes('\0') ? null : first;
  return { identity, subject: rfc2253(certificate.subject) };
}

/**
 * Node writes one line per part, most general first, escaped as RFC 2253 wants except for bytes
 * above 127, which OpenSSL's RFC 2253 form escapes one by one.
 */
export function rfc2253(nodeSubject: string): string | null {
  if (nodeSubject === undefined || nodeSubject === '') return null;
  const parts = nodeSubject.split('\n').map((part) => part.replaceAll(' + ', '+'));
  return parts
    .reverse()
    .join(',')
    .replace(/[^\0-\x7f]+/gu, escapeBytes);
}

function escapeBytes(text: string): string {
  let escaped = '';
  for (const byte of Buffer.from(text, 'utf8')) escaped += `\\${byte.toString(16).toUpperCase()}`;
  return escaped;
}
