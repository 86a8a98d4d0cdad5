/** What MQTT.js says for a bridge in its CONNECT to the remote broker. */
import type { IClientOptions } from 'mqtt';
import type { BridgeConfig } from '../config/bridge-config.js';
import type { Limits } from '../config/limits.js';

const CONNECT_MS = 30_000;
const VERSION_5 = 5;

export function remoteOptions(config: BridgeConfig, limits: Limits): IClientOptions {
  const { protocolVersion, remoteUsername, remotePassword, notifications } = config;
  return {
    protocolVersion,
    protocolId: protocolVersion === 3 ? 'MQIsdp' : 'MQTT',
    clientId: config.remoteClientId,
    clean: config.cleanSession,
    keepalive: config.keepAliveS,
    connectTimeout: CONNECT_MS,
    ...(remoteUsername === null ? {} : { username: remoteUsername }),
    ...(remotePassword === null ? {} : { password: remotePassword }),
    ...(notifications === 'both' ? { will: willOf(config) } : {}),
    ...(protocolVersion === VERSION_5 ? { properties: propertiesOf(config, limits) } : {}),
  };
}

/** Says "0" when the connection is lost. */
function willOf({ notificationTopic }: BridgeConfig): NonNullable<IClientOptions['will']> {
  return { topic: notificationTopic, payload: Buffer.from('0'), qos: 1, retain: true };
}

/** In flight there is no more than this broker takes from one client. */
function propertiesOf(
  { cleanSession, sessionExpiryS, receiveMaximum }: BridgeConfig,
  limits: Limits,
): NonNullable<IClientOptions['properties']> {
  return {
    sessionExpiryInterval: cleanSession ? 0 : sessionExpiryS,
    receiveMaximum: Math.min(receiveMaximum || limits.receiveMaximum, limits.receiveMaximum),
    ...(limits.packetBytesMax === 0 ? {} : { maximumPacketSize: limits.packetBytesMax }),
  };
}
