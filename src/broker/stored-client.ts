/** What is known of an offline client, and its will, as blobs of the store. */
import { BrokerError } from '../base/errors.js';
import type { ListenerConfig, ProtocolVersion } from '../config/config.js';
import type { Will } from '../protocol/control-packets.js';
import { decodeRecord, encodeRecord } from '../store/record.js';
import type { ClientIdentity } from './access.js';

/** The fields of an identity that access goes by. */
interface StoredInfo {
  readonly username: string | null;
  readonly listener: string;
  readonly protocolVersion: ProtocolVersion;
  readonly identity: string | null;
  readonly subject: string | null;
}

export function encodeInfo({ username, listener, protocolVersion, peer }: ClientIdentity): Buffer {
  const info: StoredInfo = {
    username,
    listener: listener.name,
    protocolVersion,
    identity: peer.identity,
    subject: peer.subject,
  };
  return Buffer.from(JSON.stringify(info));
}

/**
 * @param listenerNamed the listener of that name, or the one to take in its place
 * @throws BrokerError `RECORD_INVALID`
 */
export function decodeInfo(
  clientId: string,
  bytes: Buffer,
  listenerNamed: (name: string) => ListenerConfig,
): ClientIdentity {
  const { username, listener, protocolVersion, identity, subject } = parseInfo(bytes);
  const peer = { remoteAddress: '', remotePort: 0, identity, subject, isTls: false };
  return { clientId, username, peer, listener: listenerNamed(listener), protocolVersion };
}

function parseInfo(bytes: Buffer): StoredInfo {
  let info: unknown;
  try {
    info = JSON.parse(bytes.toString());
  } catch (error) {
    throw new BrokerError('RECORD_INVALID', 'a stored session is damaged', { cause: error });
  }
  if (!isInfo(info)) throw new BrokerError('RECORD_INVALID', 'a stored session is damaged');
  return info;
}

function isInfo(info: unknown): info is StoredInfo {
  if (typeof info !== 'object' || info === null) return false;
  const { username, listener, protocolVersion, identity, subject } = info as StoredInfo;
  const areTexts = [username, identity, subject].every(
    (text: unknown) => text === null || typeof text === 'string',
  );
  return areTexts && typeof listener === 'string' && [3, 4, 5].includes(protocolVersion);
}

export function encodeWill(will: Will): Buffer {
  return encodeRecord({
    topic: will.topic,
    qos: will.qos,
    retain: will.retain,
    isV5: true,
    ids: null,
    sharedFilter: '',
    publisherId: null,
    expiresAtMs: Number.POSITIVE_INFINITY,
    expiryAt: -1,
    properties: withExpiryFirst(will),
    payload: will.payload,
  });
}

/** @throws BrokerError `RECORD_INVALID` */
export function decodeWill(bytes: Buffer): Will {
  const { topic, payload, qos, retain, properties } = decodeRecord(bytes);
  if (properties.length < 4) throw new BrokerError('RECORD_INVALID', 'a stored will is damaged');
  const expiryAt = properties.readUInt32BE(0);
  const own = properties.subarray(4);
  const hasExpiry = expiryAt !== 0xffff_ffff;
  if (hasExpiry && expiryAt + 4 > own.length) {
    throw new BrokerError('RECORD_INVALID', 'a stored will is damaged');
  }
  return {
    topic,
    payload,
    qos,
    retain,
    willDelayInterval: 0,
    messageExpiryInterval: hasExpiry ? own.readUInt32BE(expiryAt) : -1,
    properties: own,
    expiryAt: hasExpiry ? expiryAt : -1,
    isPayloadValid: true,
  };
}

/** Where the Message Expiry Interval is, before the properties: a will's has not begun to run. */
function withExpiryFirst({ properties, expiryAt }: Will): Buffer {
  const bytes = Buffer.allocUnsafe(4 + properties.length);
  bytes.writeUInt32BE(expiryAt < 0 ? 0xffff_ffff : expiryAt, 0);
  properties.copy(bytes, 4);
  return bytes;
}
