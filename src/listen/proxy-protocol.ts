/**
 * The PROXY protocol header, versions 1 and 2, with which a load balancer says who its client is.
 * A pure function: it is called with all bytes so far until it knows.
 *
 *   v1   PROXY TCP4 192.0.2.1 198.51.100.1 56324 1883\r\n            at most 107 bytes
 *   v2   signature(12) version|command(1) family|protocol(1) length(2) addresses TLVs
 *
 * The header decides whom the broker takes the client for: it is only to be demanded on listeners
 * that nobody but the load balancer can reach.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { plainAddress } from './peer.js';

export interface ProxiedPeer {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** True when the client spoke TLS with the proxy. Version 2 only. */
  readonly isTls: boolean;
  /** Common name of a client certificate that the proxy verified. Version 2 only. */
  readonly commonName: string | null;
}

export type ProxyHeader =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed'; readonly detail: string }
  /** `peer` is null when the proxy speaks for itself: a health check, or an unknown protocol. */
  | { readonly kind: 'complete'; readonly length: number; readonly peer: ProxiedPeer | null };

/** No header is longer than this; the specification asks for far less. */
export const PROXY_HEADER_MAX = 16 + 4096;

const lineBytesMax = 107;
const linePrefix = Buffer.from('PROXY ', 'latin1');
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const fixedBytes = 16;
const addressBytes = { unspecified: 0, tcp4: 12, tcp6: 36, unix: 216 } as const;
const tlvSsl = 0x20;
const tlvSslCommonName = 0x22;
const clientUsesSsl = 0x01;
const clientShowedCertificate = 0x02 | 0x04;

const incomplete: ProxyHeader = { kind: 'incomplete' };

/** Reads the header at the start of `bytes`. */
export function parseProxyHeader(version: 1 | 2, bytes: Buffer): ProxyHeader {
  return version === 1 ? parseLine(bytes) : parseBinary(bytes);
}

function malformed(detail: string): ProxyHeader {
  return { kind: 'malformed', detail };
}

function startsLike(bytes: Buffer, expected: Buffer): boolean {
  const length = Math.min(bytes.length, expected.length);
  return bytes.compare(expected, 0, length, 0, length) === 0;
}

function parseLine(bytes: Buffer): ProxyHeader {
  if (!startsLike(bytes, linePrefix)) return malformed('no PROXY v1 header');
  const end = bytes.subarray(0, lineBytesMax).indexOf('\r\n', 0, 'latin1');
  if (end < 0) {
    return bytes.length < lineBytesMax ? incomplete : malformed('PROXY v1 line is too long');
  }
  const [, family, source, destination, sourcePort, destinationPort, ...rest] = bytes
    .toString('latin1', 0, end)
    .split(' ');
  const length = end + 2;
  if (family === 'UNKNOWN') return { kind: 'complete', length, peer: null };
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : null;
  if (isAddress === null) return malformed('PROXY v1 protocol is not TCP4, TCP6 or UNKNOWN');
  const isValid =
    rest.length === 0 &&
    isAddress(source ?? '') &&
    isAddress(destination ?? '') &&
    isPort(sourcePort) &&
    isPort(destinationPort);
  if (!isValid) return malformed('PROXY v1 address or port is not valid');
  return { kind: 'complete', length, peer: peerAt(source, Number(sourcePort)) };
}

function isPort(text: string | undefined): boolean {
  return text !== undefined && /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function peerAt(address: string, remotePort: number): ProxiedPeer {
  return { remoteAddress: plainAddress(address), remotePort, isTls: false, commonName: null };
}

function parseBinary(bytes: Buffer): ProxyHeader {
  if (!startsLike(bytes, signature)) return malformed('no PROXY v2 header');
  if (bytes.length < fixedBytes) return incomplete;
  const command = bytes[12];
  if (command !== 0x20 && command !== 0x21) {
    return malformed('PROXY v2 version or command is not known');
  }
  const length = fixedBytes + bytes.readUInt16BE(14);
  if (length > PROXY_HEADER_MAX) return malformed('PROXY v2 header is too long');
  if (bytes.length < length) return incomplete;
  // LOCAL: the proxy's own connection; whatever addresses follow are to be ignored.
  if (command === 0x20) return { kind: 'complete', length, peer: null };
  return parseAddresses(bytes[13], bytes.subarray(fixedBytes, length), length);
}

function parseAddresses(family: number, body: Buffer, length: number): ProxyHeader {
  let peer: ProxiedPeer | null;
  let tlvsAt: number;
  if (family === 0x11 && body.length >= addressBytes.tcp4) {
    tlvsAt = addressBytes.tcp4;
    peer = peerAt(body.subarray(0, 4).join('.'), body.readUInt16BE(8));
  } else if (family === 0x21 && body.length >= addressBytes.tcp6) {
    tlvsAt = addressBytes.tcp6;
    peer = peerAt(ipv6Text(body), body.readUInt16BE(32));
  } else if (family === 0x31 && body.length >= addressBytes.unix) {
    tlvsAt = addressBytes.unix;
    peer = peerAt('unix', 0);
  } else if (family === 0x00) {
    tlvsAt = addressBytes.unspecified;
    peer = null;
  } else {
    return malformed('PROXY v2 addresses are not of a stream protocol, or cut off');
  }
  if (peer === null) return { kind: 'complete', length, peer };
  const tls = parseTls(body.subarray(tlvsAt));
  if (tls === null) return malformed('PROXY v2 extension is cut off');
  return { kind: 'complete', length, peer: { ...peer, ...tls } };
}

/** The 16 bytes at the start of `body`, as Node writes addresses. */
function ipv6Text(body: Buffer): string {
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(body.readUInt16BE(at).toString(16));
  // The URL parser writes the canonical short form of RFC 5952.
  const short = new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:[0-9a-f]+:[0-9a-f]+$/.test(short);
  return mapped ? body.subarray(12, 16).join('.') : short;
}

interface TlsInfo {
  readonly isTls: boolean;
  readonly commonName: string | null;
}

/** What the SSL extension says; null when an extension is longer than its place. */
function parseTls(tlvs: Buffer): TlsInfo | null {
  let info: TlsInfo = { isTls: false, commonName: null };
  const isWhole = eachTlv(tlvs, (type, value) => {
    if (type !== tlvSsl) return true;
    if (value.length < 5) return false;
    const client = value[0];
    const isVerified = (client & clientShowedCertificate) !== 0 && value.readUInt32BE(1) === 0;
    let commonName: string | null = null;
    const isSubWhole = eachTlv(value.subarray(5), (subType, subValue) => {
      if (subType === tlvSslCommonName && isVerified) commonName = subValue.toString('utf8');
      return true;
    });
    info = { isTls: (client & clientUsesSsl) !== 0, commonName };
    return isSubWhole;
  });
  return isWhole ? info : null;
}

function eachTlv(bytes: Buffer, visit: (type: number, value: Buffer) => boolean): boolean {
  for (let at = 0; at < bytes.length; ) {
    if (at + 3 > bytes.length) return false;
    const valueAt = at + 3;
    const end = valueAt + bytes.readUInt16BE(at + 1);
    if (end > bytes.length || !visit(bytes[at], bytes.subarray(valueAt, end))) return false;
    at = end;
  }
  return true;
}
