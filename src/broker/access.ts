/**
 * Access: who may connect, publish, subscribe and read. The access folder implements it from
 * files, an embedding program from its hooks. One instance per listener's `AccessConfig`.
 */
import type { ListenerConfig, ProtocolVersion } from '../config/config.js';
import type { PeerInfo } from './transport.js';

/** A client that wants in, or is in. */
export interface ClientIdentity {
  readonly clientId: string;
  /** Null when it gave none. After authentication: the effective user name. */
  readonly username: string | null;
  readonly peer: PeerInfo;
  readonly listener: ListenerConfig;
  readonly protocolVersion: ProtocolVersion;
}

/**
 * True when the user name comes from the client certificate or the PSK identity, of this
 * connection or of the one that a PROXY v2 header describes, and not from CONNECT.
 */
export function isNamedByPeer(listener: ListenerConfig): boolean {
  const hasIdentity = listener.tls !== null || listener.proxyProtocol === 2;
  return hasIdentity && (listener.useIdentityAsUsername || listener.useSubjectAsUsername);
}

export type AuthenticationResult =
  | { readonly ok: true; readonly username: string | null }
  /** `reasonCode` is a v5 CONNACK code of 0x80 or above; 3.1.1 clients get its equivalent. */
  | { readonly ok: false; readonly reasonCode: number; readonly reasonString: string };

/** One step of an enhanced authentication (MQTT 5.0 section 4.12). */
export type AuthenticationStep =
  | { readonly kind: 'continue'; readonly data: Buffer | null }
  | { readonly kind: 'success'; readonly data: Buffer | null; readonly username: string | null }
  | { readonly kind: 'failure'; readonly reasonCode: number; readonly reasonString: string };

/** The server's side of one exchange. Each `step` gets the client's Authentication Data. */
export interface AuthenticationExchange {
  step(data: Buffer | null): AuthenticationStep | Promise<AuthenticationStep>;
}

export interface Access {
  /** Checks user name and password. Slow work (PBKDF2) is done off the main thread. */
  authenticate(
    client: ClientIdentity,
    password: Buffer | null,
  ): AuthenticationResult | Promise<AuthenticationResult>;

  /** A new exchange for an Authentication Method; null: not supported (0x8C). */
  beginExchange(method: string, client: ClientIdentity): AuthenticationExchange | null;

  /**
   * Whether a connected client may stay after a reload (user removed, anonymous no longer
   * allowed, …). Cheap; no password at hand.
   */
  mayStay(client: ClientIdentity): boolean;

  /** False: `mayPublish` always says yes and is not asked. */
  readonly restrictsPublish: boolean;
  mayPublish(
    client: ClientIdentity,
    topic: string,
    qos: number,
    retain: boolean,
  ): boolean | Promise<boolean>;

  /** False: `mayRead` always says yes and is not asked. */
  readonly restrictsRead: boolean;
  /**
   * Asked once per client and topic and remembered with the topic's route, until a subscription
   * changes, another user resumes the session, or `BrokerCore.recheckAccess` is called.
   */
  mayRead(client: ClientIdentity, topic: string): boolean;

  readonly restrictsSubscribe: boolean;
  maySubscribe(client: ClientIdentity, filter: string, qos: number): boolean | Promise<boolean>;

  /**
   * Goes up when an answer may have changed (a reload). Whoever makes it change calls
   * `BrokerCore.recheckAccess` then, for the answers of `mayRead` and `mayStay`.
   */
  readonly version: number;

  /**
   * True: a `mayPublish` answer, now or later, holds for the client's next messages to the same
   * topic, whatever their QoS and RETAIN, until `version` changes. False: only for this message.
   */
  readonly publishAnswersLast: boolean;
}
