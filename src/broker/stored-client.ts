/** What is known of an offline client, and its will, as blobs of the store. */
import { BrokerError } from '../base/errors.js';
import type { ListenerConfig, ProtocolVersion } from '../config/config.js';
import type { Will } from '../protocol/control-packets.js';
import { decodeRecord, encodeRecord, sourceOf } from '../store/record.js';
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

/** A will, and its `PendingWill.stamp`. */
export interface StoredWill {
  readonly will: Will;
  readonly stamp: number;
}

/** Before the properties: the place of Message Expiry Interval, which has not begun; the stamp. */
const WILL_HEAD = 12;

export function encodeWill(will: Will, stamp: number): Buffer {
  const parts = {
    topic: will.topic,
    qos: will.qos,
    retain: will.retain,
    isV5: true,
    ids: null,
    sharedFilter: '',
    publisherId: null,
    expiresAtMs: Number.POSITIVE_INFINITY,
    expiryAt: -1,
    properties: withHead(will, stamp),
    payload: will.payload,
  };
  return encodeRecord(sourceOf(parts));
}

/** @throws BrokerError `RECORD_INVALID` */
export function decodeWill(bytes: Buffer): StoredWill {
  const { topic, payload, qos, retain, properties } = decodeRecord(bytes);
  if (properties.length < WILL_HEAD) throw damagedWill();
  const expiryAt = properties.readUInt32BE(0);
  const stamp = properties.readDoubleBE(4);
  const own = properties.subarray(WILL_HEAD);
  const hasExpiry = expiryAt !== 0xffff_ffff;
  if ((hasExpiry && expiryAt + 4 > own.length) || !Number.isSafeInteger(stamp) || stamp < 0) {
    throw damagedWill();
  }
  const will: Will = {
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
  return { will, stamp };
}

function withHead({ properties, expiryAt }: Will, stamp: number): Buffer {
  const bytes = Buffer.allocUnsafe(WILL_HEAD + properties.length);
  bytes.writeUInt32BE(expiryAt < 0 ? 0xffff_ffff : expiryAt, 0);
  bytes.writeDoubleBE(stamp, 4);
  properties.copy(bytes, WILL_HEAD);
  return bytes;
}

function damagedWill(): BrokerError {
  return new BrokerError('RECORD_INVALID', 'a stored will is damaged');
}
