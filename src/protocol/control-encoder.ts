/** Encodes what the broker sends besides PUBLISH and plain acknowledgements, by mqtt-packet. */
import * as mqttPacket from 'mqtt-packet';
import type { ConnackProperties } from './control-packets.js';
import { toReturnCode } from './reason-codes.js';

type Properties = Record<string, unknown>;

function generate(packet: object, isV5: boolean): Buffer {
  return mqttPacket.generate(packet as mqttPacket.Packet, { protocolVersion: isV5 ? 5 : 4 });
}

/**
 * Leaves the Reason String out where the packet would be larger than the client takes
 * [MQTT-3.2.2-19] [MQTT-3.4.2-2] [MQTT-3.9.2-1] [MQTT-3.14.2-3].
 *
 * @returns null when the packet is too large even without
 */
function fit(
  build: (properties: Properties | undefined) => Buffer,
  properties: Properties,
  maximumPacketSize: number,
): Buffer | null {
  const full = build(Object.keys(properties).length > 0 ? properties : undefined);
  if (full.length <= maximumPacketSize) return full;
  const { reasonString: _, ...rest } = properties;
  const short = build(Object.keys(rest).length > 0 ? rest : undefined);
  return short.length <= maximumPacketSize ? short : null;
}

function withReason(reasonString: string | null): Properties {
  return reasonString === null ? {} : { reasonString };
}

/** CONNACK of MQTT 5.0; null when the client cannot take even its shortest form. */
export function encodeConnack(
  reasonCode: number,
  sessionPresent: boolean,
  properties: ConnackProperties,
  maximumPacketSize: number,
): Buffer | null {
  const { maximumQos, ...rest } = properties;
  const renamed: Properties = maximumQos === undefined ? rest : { ...rest, maximumQoS: maximumQos };
  return fit(
    (fitting) =>
      generate({ cmd: 'connack', reasonCode, sessionPresent, properties: fitting }, true),
    renamed,
    maximumPacketSize,
  );
}

/** CONNACK of MQTT 3.x; null when none may be sent for `reasonCode` [MQTT-3.2.2-6]. */
export function encodeConnackV3(reasonCode: number, sessionPresent: boolean): Buffer | null {
  const returnCode = toReturnCode(reasonCode);
  return returnCode < 0 ? null : generate({ cmd: 'connack', returnCode, sessionPresent }, false);
}

export function encodeSuback(
  packetId: number,
  reasonCodes: readonly number[],
  isV5: boolean,
  reasonString: string | null,
  maximumPacketSize: number,
): Buffer | null {
  return fit(
    (properties) =>
      generate({ cmd: 'suback', messageId: packetId, granted: reasonCodes, properties }, isV5),
    isV5 ? withReason(reasonString) : {},
    maximumPacketSize,
  );
}

export function encodeUnsuback(
  packetId: number,
  reasonCodes: readonly number[],
  isV5: boolean,
  maximumPacketSize: number,
): Buffer | null {
  return fit(
    (properties) =>
      generate({ cmd: 'unsuback', messageId: packetId, granted: reasonCodes, properties }, isV5),
    {},
    maximumPacketSize,
  );
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP of MQTT 5.0 with a reason code that is not 0. */
export function encodeAcknowledgement(
  cmd: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp',
  packetId: number,
  reasonCode: number,
  reasonString: string | null,
  maximumPacketSize: number,
): Buffer | null {
  return fit(
    (properties) => generate({ cmd, messageId: packetId, reasonCode, properties }, true),
    withReason(reasonString),
    maximumPacketSize,
  );
}

/** DISCONNECT of MQTT 5.0; the older versions have none from the server. */
export function encodeDisconnect(
  reasonCode: number,
  reasonString: string | null,
  maximumPacketSize: number,
  serverReference: string | null = null,
): Buffer | null {
  const reason = withReason(reasonString);
  return fit(
    (properties) => generate({ cmd: 'disconnect', reasonCode, properties }, true),
    serverReference === null ? reason : { ...reason, serverReference },
    maximumPacketSize,
  );
}

export function encodeAuth(
  reasonCode: number,
  authenticationMethod: string,
  authenticationData: Buffer | null,
  maximumPacketSize: number,
): Buffer | null {
  const properties: Properties = { authenticationMethod };
  if (authenticationData !== null) properties.authenticationData = authenticationData;
  return fit(
    (fitting) => generate({ cmd: 'auth', reasonCode, properties: fitting }, true),
    properties,
    maximumPacketSize,
  );
}
