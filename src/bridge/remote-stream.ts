/** Opens the connection to a remote broker, in plain text or with TLS. Files are read once. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { connect as connectTcp, isIP, type Socket, type TcpNetConnectOpts } from 'node:net';
import { join } from 'node:path';
import {
  type ConnectionOptions,
  connect as connectTls,
  createSecureContext,
  DEFAULT_CIPHERS,
} from 'node:tls';
import { BrokerError, messageOf } from '../base/errors.js';
import type { BridgeAddress, BridgeConfig, BridgeTlsConfig } from '../config/bridge-config.js';

const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** TCP keep-alive: a dead path is noticed by the system as well. */
const TCP_KEEP_ALIVE_MS = 60_000;

export class RemoteStreams {
  private readonly bindAddress: string | null;
  private readonly tls: ConnectionOptions | null;

  /** @throws BrokerError `BRIDGE_TLS` that names the bad file */
  constructor({ name, tls, bindAddress }: Pick<BridgeConfig, 'name' | 'tls' | 'bindAddress'>) {
    this.bindAddress = bindAddress;
    this.tls = tls === null ? null : tlsOptions(name, tls);
  }

  open(address: BridgeAddress): Socket {
    const target = this.targetOf(address);
    const socket = this.tls === null ? connectTcp(target) : this.openTls(address, target);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    return socket;
  }

  /** A bare TCP connection, to see whether somebody answers; closed at once. */
  probe(address: BridgeAddress, then: (isThere: boolean) => void): () => void {
    const socket = connectTcp(this.targetOf(address));
    const settle = (isThere: boolean): void => {
      socket.destroy();
      then(isThere);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
    return () => socket.destroy();
  }

  private targetOf({ host, port }: BridgeAddress): TcpNetConnectOpts {
    return { host, port, ...(this.bindAddress === null ? {} : { localAddress: this.bindAddress }) };
  }

  private openTls({ host }: BridgeAddress, target: TcpNetConnectOpts): Socket {
    const name = isIP(host) === 0 ? { servername: host } : {};
    return connectTls({ ...this.tls!, ...target, ...name });
  }
}

function tlsOptions(bridge: string, tls: BridgeTlsConfig): ConnectionOptions {
  const fail = (message: string, cause?: unknown): never => {
    throw new BrokerError('BRIDGE_TLS', `bridge "${bridge}": ${message}`, { cause });
  };
  const options: ConnectionOptions = {};
  if (tls.version !== null) {
    const version = tls.version === 'tlsv1.3' ? 'TLSv1.3' : 'TLSv1.2';
    Object.assign(options, { minVersion: version, maxVersion: version });
  }
  if (tls.ciphers !== null || tls.ciphersTls13 !== null) {
    options.ciphers = [tls.ciphersTls13, tls.ciphers ?? DEFAULT_CIPHERS].filter(Boolean).join(':');
  }
  if (tls.alpn !== null) options.ALPNProtocols = [tls.alpn];
  if (tls.insecure) options.checkServerIdentity = () => undefined;
  if (tls.psk !== null) return { ...options, ...pskOptions(tls.identity!, tls.psk) };
  const authorities = readAuthorities(tls, fail);
  if (authorities.length > 0) options.ca = authorities;
  if (tls.certFile !== null) Object.assign(options, readKeyPair(tls.certFile, tls.keyFile!, fail));
  try {
    createSecureContext(options);
  } catch (cause) {
    fail(`these TLS settings are not possible: ${messageOf(cause)}`, cause);
  }
  return options;
}

type Fail = (message: string, cause?: unknown) => never;

/** Pre-shared keys as Mosquitto's listeners use them belong to TLS 1.2. */
function pskOptions(identity: string, key: string): ConnectionOptions {
  return {
    pskCallback: () => ({ identity, psk: Buffer.from(key, 'hex') }),
    ciphers: 'PSK:!eNULL',
    maxVersion: 'TLSv1.2',
    // The key proves who is there; there is no certificate.
    checkServerIdentity: () => undefined,
  };
}

function readAuthorities({ caFile, caPath }: BridgeTlsConfig, fail: Fail): string[] {
  const found = new Set<string>();
  if (caFile !== null) {
    const pems = read('bridge_cafile', caFile, fail).match(pemCertificate);
    if (pems === null) fail(`bridge_cafile ${caFile} holds no certificate in PEM form`);
    for (const pem of pems!) found.add(pem);
  }
  if (caPath === null) return [...found];
  for (const name of readNames(caPath, fail)) {
    // Such folders hold links by hash, CRLs and notes beside the certificates.
    const text = read('bridge_capath', join(caPath, name), fail);
    for (const pem of text.match(pemCertificate) ?? []) found.add(pem);
  }
  if (found.size === 0) fail(`bridge_capath ${caPath} holds no certificate in PEM form`);
  return [...found];
}

function readKeyPair(certFile: string, keyFile: string, fail: Fail): { cert: string; key: string } {
  const cert = read('bridge_certfile', certFile, fail);
  const key = read('bridge_keyfile', keyFile, fail);
  try {
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
      fail(`bridge_keyfile ${keyFile} does not belong to bridge_certfile ${certFile}`);
    }
  } catch (cause) {
    if (cause instanceof BrokerError) throw cause;
    const files = `bridge_certfile ${certFile} and bridge_keyfile ${keyFile}`;
    fail(`${files} are no certificate and key in PEM form: ${messageOf(cause)}`, cause);
  }
  return { cert, key };
}

function readNames(folder: string, fail: Fail): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  } catch (cause) {
    return fail(`bridge_capath ${folder} cannot be read: ${messageOf(cause)}`, cause);
  }
}

function read(key: string, path: string, fail: Fail): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    return fail(`${key} ${path} cannot be read: ${messageOf(cause)}`, cause);
  }
}
