/** Small helpers around `PeerInfo`, shared by every kind of transport. */
import type { PeerInfo } from '../broker/transport.js';

/** A peer of which only the address is known. */
export function plainPeer(remoteAddress: string, remotePort: number): PeerInfo {
  return { remoteAddress, remotePort, identity: null, subject: null, isTls: false };
}

/** `::ffff:192.0.2.1`, as dual-stack sockets write IPv4 addresses, becomes `192.0.2.1`. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
