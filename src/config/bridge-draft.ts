/** A bridge while its lines are being read; null: not given. */
import type { BridgeAddress, BridgeConfig, BridgeTlsConfig, BridgeTopic } from './bridge-config.js';
import { EXPIRY_NEVER } from './bridge-config.js';
import type { Place } from './place.js';

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** Decided by other keys, or by what the whole configuration says. */
type Derived =
  | 'addresses'
  | 'topics'
  | 'remoteClientId'
  | 'localClientId'
  | 'localCleanSession'
  | 'notificationTopic'
  | 'notifications'
  | 'tls';

export interface BridgeDraft extends Mutable<Omit<BridgeConfig, Derived>> {
  /** The `connection` line. */
  readonly place: Place;
  /** Where each key was given last. */
  readonly places: Map<string, Place>;
  readonly topics: BridgeTopic[];
  addresses: readonly BridgeAddress[] | null;
  remoteClientId: string | null;
  localClientId: string | null;
  localCleanSession: boolean | null;
  hasNotifications: boolean;
  notifiesLocallyOnly: boolean;
  notificationTopic: string | null;
  tls: Mutable<BridgeTlsConfig>;
  usesSystemAuthorities: boolean;
}

export function newBridgeDraft(name: string, place: Place): BridgeDraft {
  return {
    place,
    name,
    places: new Map(),
    addresses: null,
    roundRobin: false,
    topics: [],
    protocolVersion: 4,
    remoteClientId: null,
    remoteUsername: null,
    remotePassword: null,
    localClientId: null,
    localUsername: null,
    localPassword: null,
    cleanSession: false,
    localCleanSession: null,
    keepAliveS: 60,
    startType: 'automatic',
    idleTimeoutS: 60,
    threshold: 10,
    restart: { baseS: 5, capS: 30 },
    tryPrivate: true,
    hasNotifications: true,
    notifiesLocallyOnly: false,
    notificationTopic: null,
    tls: newBridgeTls(),
    usesSystemAuthorities: false,
    attemptUnsubscribe: true,
    outgoingRetain: true,
    bindAddress: null,
    maxPacketSize: 0,
    receiveMaximum: 0,
    sessionExpiryS: EXPIRY_NEVER,
    reloadType: 'lazy',
  };
}

export function newBridgeTls(): Mutable<BridgeTlsConfig> {
  return {
    caFile: null,
    caPath: null,
    certFile: null,
    keyFile: null,
    insecure: false,
    alpn: null,
    identity: null,
    psk: null,
    version: null,
    ciphers: null,
    ciphersTls13: null,
  };
}
