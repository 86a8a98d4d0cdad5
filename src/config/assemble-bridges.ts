/** Turns the drafts of bridges into their configurations; each has to make sense as a whole. */
import type { BridgeConfig, BridgeTlsConfig } from './bridge-config.js';
import type { BridgeDraft } from './bridge-draft.js';
import type { StoreConfig } from './config.js';
import { failAt, type Place, where } from './place.js';

export interface BridgeContext {
  readonly hostName: string;
  readonly store: StoreConfig;
  readonly warn: (place: Place, key: string, message: string) => void;
}

export function assembleBridges(
  drafts: readonly BridgeDraft[],
  context: BridgeContext,
): readonly BridgeConfig[] {
  const byClientId = new Map<string, BridgeDraft>();
  return Object.freeze(
    drafts.map((draft) => {
      const bridge = assembleBridge(draft, context);
      const other = byClientId.get(bridge.localClientId);
      if (other !== undefined) {
        const place = draft.places.get('local_clientid') ?? draft.place;
        const advice = 'give each its own local_clientid';
        failAt(place, `the bridge at ${where(other.place)} has the same: ${advice}`);
      }
      byClientId.set(bridge.localClientId, draft);
      return bridge;
    }),
  );
}

function assembleBridge(draft: BridgeDraft, context: BridgeContext): BridgeConfig {
  const { addresses, topics, name, cleanSession, startType } = draft;
  if (addresses === null)
    failAt(draft.place, `bridge "${name}" needs an address: address HOST:PORT`);
  if (topics.length === 0) {
    context.warn(draft.place, 'connection', 'no effect: the bridge has no "topic" line');
  }
  const remoteClientId = draft.remoteClientId ?? `${clientIdPrefix(context)}.${name}`;
  const localClientId = draft.localClientId ?? `local.${remoteClientId}`;
  const localCleanSession = draft.localCleanSession ?? cleanSession;
  if (startType === 'lazy' && localCleanSession) {
    const place = draft.places.get('start_type')!;
    failAt(place, 'start_type lazy counts what is queued, so it needs "local_cleansession false"');
  }
  checkCredentials(draft);
  warnWithoutEffect(draft, context);
  const { place, places, usesSystemAuthorities, notifiesLocallyOnly, hasNotifications, ...rest } =
    draft;
  return Object.freeze({
    ...rest,
    addresses,
    topics: Object.freeze([...topics]),
    remoteClientId,
    localClientId,
    localCleanSession,
    notifications: !hasNotifications ? 'none' : notifiesLocallyOnly ? 'local' : 'both',
    notificationTopic: draft.notificationTopic ?? `$SYS/broker/connection/${remoteClientId}/state`,
    tls: assembleTls(draft),
  });
}

/**
 * As in Mosquitto the host's name. In a cluster whoever takes the bridge over must have the same
 * name, or its session at the remote broker would be lost: the prefix that they share.
 */
function clientIdPrefix({ hostName, store }: BridgeContext): string {
  if (store.kind !== 'redis') return hostName;
  return store.prefix.replace(/[^0-9A-Za-z_-]/g, '') || 'tidewire';
}

function checkCredentials(draft: BridgeDraft): void {
  const { places } = draft;
  if (draft.remotePassword !== null && draft.remoteUsername === null) {
    const place = places.get('remote_password') ?? places.get('password')!;
    failAt(place, 'remote_password needs remote_username');
  }
  if (draft.localPassword !== null && draft.localUsername === null) {
    failAt(places.get('local_password')!, 'local_password needs local_username');
  }
}

/** A bridge that was meant to be encrypted must never connect in plain text: all are errors. */
function assembleTls(draft: BridgeDraft): BridgeTlsConfig | null {
  const { tls, places, place, usesSystemAuthorities } = draft;
  const lineOf = (key: string): Place => places.get(key) ?? place;
  const hasAuthority = tls.caFile !== null || tls.caPath !== null || usesSystemAuthorities;
  const hasCertificate = tls.certFile !== null || tls.keyFile !== null;
  if (tls.psk !== null || tls.identity !== null) {
    if (tls.psk === null) failAt(lineOf('bridge_identity'), 'bridge_identity needs bridge_psk');
    if (tls.identity === null) failAt(lineOf('bridge_psk'), 'bridge_psk needs bridge_identity');
    if (hasAuthority || hasCertificate) {
      failAt(lineOf('bridge_psk'), 'a bridge has either certificates or bridge_psk, not both');
    }
    if (tls.version === 'tlsv1.3') {
      failAt(lineOf('bridge_tls_version'), 'bridge_psk needs bridge_tls_version tlsv1.2');
    }
    return Object.freeze({ ...tls });
  }
  if (tls.certFile !== null && tls.keyFile === null) {
    failAt(lineOf('bridge_certfile'), 'bridge_keyfile is missing');
  }
  if (tls.certFile === null && tls.keyFile !== null) {
    failAt(lineOf('bridge_keyfile'), 'bridge_certfile is missing');
  }
  if (hasAuthority) return Object.freeze({ ...tls });
  const needing = ['bridge_certfile', 'bridge_alpn', 'bridge_tls_version', 'bridge_ciphers'];
  const first = [...needing, 'bridge_ciphers_tls1.3'].find((key) => places.has(key));
  if (first === undefined) return null;
  const ways = 'bridge_cafile, bridge_capath or "bridge_tls_use_os_certs true"';
  return failAt(lineOf(first), `${first} needs ${ways} in the same bridge`);
}

/** Lines that are right by themselves and change nothing where they stand. */
function warnWithoutEffect(draft: BridgeDraft, { warn }: BridgeContext): void {
  const { places } = draft;
  const idle = (key: string, isIdle: boolean, why: string): void => {
    const place = places.get(key);
    if (isIdle && place !== undefined) warn(place, key, `no effect: ${why}`);
  };
  const isLazy = draft.startType === 'lazy';
  idle('idle_timeout', !isLazy, 'only "start_type lazy" closes the connection');
  idle('threshold', !isLazy, 'only "start_type lazy" waits for messages');
  idle('restart_timeout', draft.startType === 'once', '"start_type once" does not try again');
  const isOlder = draft.protocolVersion !== 5;
  idle('bridge_receive_maximum', isOlder, 'only MQTT 5.0 has it');
  idle('bridge_session_expiry_interval', isOlder, 'only MQTT 5.0 has it');
  idle('round_robin', (draft.addresses?.length ?? 0) < 2, 'there is one address');
  const isSilent = !draft.hasNotifications;
  idle('notification_topic', isSilent, 'notifications are off');
  const isPlain =
    draft.tls.caFile === null && draft.tls.caPath === null && !draft.usesSystemAuthorities;
  idle('bridge_insecure', isPlain && draft.tls.insecure, 'the bridge has no bridge_cafile');
}
