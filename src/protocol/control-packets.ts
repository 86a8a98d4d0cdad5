/** The control packets other than PUBLISH and its acknowledgements, in the spec's words. */
import type { ProtocolVersion } from '../config/config.js';

export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
  /** Seconds. */
  readonly willDelayInterval: number;
  /** Seconds; -1: absent. */
  readonly messageExpiryInterval: number;
  /** Raw MQTT 5.0 bytes in the client's order, without Will Delay Interval. */
  readonly properties: Buffer;
  /** Index in `properties` of the four bytes of Message Expiry Interval; -1: absent. */
  readonly expiryAt: number;
  /** False: Payload Format Indicator 1, but the payload is no UTF-8. */
  readonly isPayloadValid: boolean;
}

export interface UserProperty {
  readonly name: string;
  readonly value: string;
}

export interface ConnectPacket {
  readonly protocolVersion: ProtocolVersion;
  /** A Mosquitto bridge: sets bit 7 of the protocol version (`try_private`). */
  readonly isBridge: boolean;
  readonly cleanStart: boolean;
  /** Seconds; 0: off. */
  readonly keepAlive: number;
  readonly clientId: string;
  readonly username: string | null;
  readonly password: Buffer | null;
  readonly will: Will | null;
  /** Seconds; 0xFFFFFFFF: never. v3: 0 with CleanSession 1, else 0xFFFFFFFF. */
  readonly sessionExpiryInterval: number;
  readonly receiveMaximum: number;
  /** Bytes; Infinity: no limit. */
  readonly maximumPacketSize: number;
  readonly topicAliasMaximum: number;
  readonly requestProblemInformation: boolean;
  readonly requestResponseInformation: boolean;
  readonly authenticationMethod: string | null;
  readonly authenticationData: Buffer | null;
}

export interface SubscriptionRequest {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
}

export interface SubscribePacket {
  readonly packetId: number;
  /** 0: none. */
  readonly subscriptionIdentifier: number;
  /** In the client's order; names may repeat. */
  readonly userProperties: readonly UserProperty[];
  readonly subscriptions: readonly SubscriptionRequest[];
}

export interface UnsubscribePacket {
  readonly packetId: number;
  readonly filters: readonly string[];
}

export interface DisconnectPacket {
  readonly reasonCode: number;
  /** Seconds; -1: absent. */
  readonly sessionExpiryInterval: number;
}

export interface AuthPacket {
  readonly reasonCode: number;
  readonly authenticationMethod: string | null;
  readonly authenticationData: Buffer | null;
}

/** Properties of a CONNACK that accepts; only what differs from the defaults is sent. */
export interface ConnackProperties {
  readonly sessionExpiryInterval?: number;
  readonly receiveMaximum?: number;
  readonly maximumQos?: number;
  readonly retainAvailable?: boolean;
  readonly maximumPacketSize?: number;
  readonly assignedClientIdentifier?: string;
  readonly topicAliasMaximum?: number;
  readonly reasonString?: string;
  readonly serverKeepAlive?: number;
  readonly authenticationMethod?: string;
  readonly authenticationData?: Buffer;
  readonly serverReference?: string;
}
