/** Where a listener listens: configuration → addresses, and one-line errors when it cannot. */
import { lookup } from 'node:dns/promises';
import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, isIP, type ListenOptions, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname } from 'node:path';
import { BrokerError, messageOf, systemCode } from '../base/errors.js';
import type { ListenerConfig } from '../config/config.js';

export type Place = Pick<ListenOptions, 'host' | 'path' | 'ipv6Only'>;

type PlaceConfig = Pick<
  ListenerConfig,
  'name' | 'port' | 'host' | 'socketPath' | 'bindInterface' | 'socketDomain'
>;

/** A system error of these codes on one of several addresses is no reason to give up. */
const familyMissing = ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EPROTONOSUPPORT'];
const socketPathBytesMax = 107;
// Thousands of clients come back at once after a restart; the system has its own maximum.
const backlog = 4096;

/** Every address to bind, at least one. */
export async function placesOf(config: PlaceConfig): Promise<readonly Place[]> {
  if (config.socketPath !== null) {
    if (Buffer.byteLength(config.socketPath) > socketPathBytesMax) {
      throw listenError(config, `the socket path is longer than ${socketPathBytesMax} bytes`);
    }
    return [{ path: config.socketPath }];
  }
  const hosts = config.host === null ? null : await resolve(config, config.host);
  if (config.bindInterface !== null) {
    const own = interfaceAddresses(config, config.bindInterface);
    const both = hosts === null ? own : own.filter((address) => hosts.includes(bare(address)));
    if (both.length > 0) return both.map(placeOf);
    const what = hosts === null ? `no ${config.socketDomain ?? 'IP'} address` : 'not that address';
    throw listenError(config, `interface ${config.bindInterface} has ${what}`);
  }
  if (hosts !== null) return hosts.map(placeOf);
  if (config.socketDomain === 'ipv4') return [{ host: '0.0.0.0' }];
  if (config.socketDomain === 'ipv6') return [{ host: '::', ipv6Only: true }];
  return [{}]; // Node: all addresses of both families, or of IPv4 where there is no IPv6.
}

/** Binds `server`; rejects with a BrokerError `LISTEN`. */
export async function bind(
  server: Server,
  place: Place,
  port: number,
  config: PlaceConfig,
): Promise<void> {
  const options =
    place.path === undefined ? { ...place, port, backlog } : { path: place.path, backlog };
  try {
    if (place.path !== undefined) await removeStaleSocket(place.path, config);
    await new Promise<void>((resolveListen, reject) => {
      server.once('error', reject);
      server.listen(options, () => {
        server.removeListener('error', reject);
        resolveListen();
      });
    });
  } catch (cause) {
    if (cause instanceof BrokerError) throw cause;
    throw listenError(config, explain(cause, place, port), cause);
  }
}

/** True when the machine lacks the address or its family, not when something is in the way. */
export function isFamilyMissing(error: unknown): boolean {
  const code = error instanceof BrokerError ? systemCode(error.cause) : null;
  return code !== null && familyMissing.includes(code);
}

function placeOf(address: string): Place {
  // Like Mosquitto, an IPv6 address means IPv6 alone.
  return isIP(bare(address)) === 6 ? { host: address, ipv6Only: true } : { host: address };
}

function bare(address: string): string {
  return address.split('%', 1)[0];
}

async function resolve(config: PlaceConfig, host: string): Promise<string[]> {
  const family = config.socketDomain === 'ipv4' ? 4 : config.socketDomain === 'ipv6' ? 6 : 0;
  const literal = isIP(bare(host));
  if (literal !== 0) {
    if (family === 0 || family === literal) return [host];
    throw listenError(config, `${host} is not of socket_domain ${config.socketDomain}`);
  }
  try {
    const found = await lookup(host, { all: true, family });
    return [...new Set(found.map(({ address }) => address))];
  } catch (cause) {
    throw listenError(config, `host name ${host} cannot be resolved`, cause);
  }
}

function interfaceAddresses(config: PlaceConfig, name: string): string[] {
  const all = networkInterfaces();
  const infos = all[name];
  if (infos === undefined) {
    const known = Object.keys(all).join(', ');
    throw listenError(config, `there is no interface ${name} with an address; known: ${known}`);
  }
  const family = config.socketDomain === 'ipv4' ? 'IPv4' : 'IPv6';
  return infos
    .filter((info) => config.socketDomain === null || info.family === family)
    .map((info) =>
      info.family === 'IPv6' && info.scopeid ? `${info.address}%${name}` : info.address,
    );
}

/** A socket file outlives a killed process. It goes only when nobody listens on it any more. */
async function removeStaleSocket(path: string, config: PlaceConfig): Promise<void> {
  const facts = lstatSync(path, { throwIfNoEntry: false });
  if (facts === undefined) return;
  if (!facts.isSocket()) {
    throw listenError(config, `${path} exists and is no socket; remove it or choose another path`);
  }
  const code = await new Promise<string | null>((resolveCode) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolveCode(null);
    });
    probe.once('error', (error) => resolveCode(systemCode(error)));
  });
  if (code !== 'ECONNREFUSED') return; // Somebody is there, or we may not know: bind will tell.
  try {
    unlinkSync(path);
  } catch (cause) {
    throw listenError(config, `the stale socket ${path} cannot be removed`, cause);
  }
}

function explain(cause: unknown, place: Place, port: number): string {
  const where = place.path === undefined ? `port ${port}` : place.path;
  switch (systemCode(cause)) {
    case 'EADDRINUSE':
      return `${where} is in use by another program; stop it or choose another one`;
    case 'EACCES':
    case 'EPERM':
      if (place.path === undefined) {
        const advice = 'choose one above 1023 or grant CAP_NET_BIND_SERVICE';
        return `not allowed to use port ${port}; ${advice}`;
      }
      // libuv says EACCES for ENOENT too.
      return existsSync(dirname(place.path))
        ? `not allowed to create ${place.path}; check the permissions of its folder`
        : `the folder of ${place.path} does not exist`;
    case 'EADDRNOTAVAIL':
      return `${place.host} is not an address of this machine`;
    default:
      return `cannot listen on ${where}: ${messageOf(cause)}`;
  }
}

function listenError(config: PlaceConfig, text: string, cause?: unknown): BrokerError {
  return new BrokerError('LISTEN', `listener ${config.name}: ${text}`, { cause });
}
