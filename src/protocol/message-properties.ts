/**
 * The properties of a message as an object, for programs: raw MQTT 5.0 bytes to fields and back.
 * Not on the hot path, where properties stay bytes.
 */
import type { UserProperty } from './control-packets.js';
import { checkProperties, PropertyId, publishProperties } from './properties.js';

export interface MessageProperties {
  /** 1: the payload is UTF-8 text. */
  readonly payloadFormatIndicator?: 0 | 1;
  /** Seconds. */
  readonly messageExpiryInterval?: number;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
  /** In the publisher's order; names may repeat. */
  readonly userProperties?: readonly UserProperty[];
}

/** The fields of `bytes[start..end)`. */
export function decodeMessageProperties(
  bytes: Buffer,
  start: number,
  end: number,
): MessageProperties {
  const fields: { -readonly [Name in keyof MessageProperties]: MessageProperties[Name] } = {};
  const userProperties: UserProperty[] = [];
  checkProperties(bytes, start, end, publishProperties, {
    onProperty: (id, value, _idAt, from, to) => {
      switch (id) {
        case PropertyId.PayloadFormatIndicator:
          fields.payloadFormatIndicator = value as 0 | 1;
          break;
        case PropertyId.MessageExpiryInterval:
          fields.messageExpiryInterval = value;
          break;
        case PropertyId.ContentType:
          fields.contentType = bytes.toString('utf8', from, to);
          break;
        case PropertyId.ResponseTopic:
          fields.responseTopic = bytes.toString('utf8', from, to);
          break;
        case PropertyId.CorrelationData:
          fields.correlationData = Buffer.from(bytes.subarray(from, to));
          break;
        case PropertyId.UserProperty:
          userProperties.push(userProperty(bytes, from));
          break;
        default:
      }
    },
  });
  return userProperties.length > 0 ? { ...fields, userProperties } : fields;
}

/** Raw bytes of `properties`, without their length. */
export function encodeMessageProperties(properties: MessageProperties): Buffer {
  const parts: Buffer[] = [];
  const { payloadFormatIndicator, messageExpiryInterval, correlationData } = properties;
  if (payloadFormatIndicator !== undefined) {
    parts.push(Buffer.from([PropertyId.PayloadFormatIndicator, payloadFormatIndicator]));
  }
  if (messageExpiryInterval !== undefined) {
    const bytes = Buffer.alloc(5);
    bytes[0] = PropertyId.MessageExpiryInterval;
    bytes.writeUInt32BE(messageExpiryInterval, 1);
    parts.push(bytes);
  }
  if (properties.contentType !== undefined) {
    parts.push(Buffer.from([PropertyId.ContentType]), text(properties.contentType));
  }
  if (properties.responseTopic !== undefined) {
    parts.push(Buffer.from([PropertyId.ResponseTopic]), text(properties.responseTopic));
  }
  if (correlationData !== undefined) {
    parts.push(Buffer.from([PropertyId.CorrelationData]), prefixed(correlationData));
  }
  for (const { name, value } of properties.userProperties ?? []) {
    parts.push(Buffer.from([PropertyId.UserProperty]), text(name), text(value));
  }
  return Buffer.concat(parts);
}

/** The User Property whose value is at `at`; it has been checked. */
export function userProperty(bytes: Buffer, at: number): UserProperty {
  const nameEnd = at + 2 + bytes.readUInt16BE(at);
  const valueEnd = nameEnd + 2 + bytes.readUInt16BE(nameEnd);
  return {
    name: bytes.toString('utf8', at + 2, nameEnd),
    value: bytes.toString('utf8', nameEnd + 2, valueEnd),
  };
}

const text = (value: string): Buffer => prefixed(Buffer.from(value));

/** @throws RangeError when `value` is longer than 65 535 bytes */
function prefixed(value: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(value.length);
  return Buffer.concat([length, value]);
}
