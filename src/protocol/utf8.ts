/** UTF-8 Encoded Strings (MQTT 5.0 section 1.5.4). Hot path. */
import { isUtf8 } from 'node:buffer';

const ASCII_MAX = 0x7f;

/**
 * True when `bytes[start..end)` is well-formed UTF-8 without U+0000 and surrogates
 * [MQTT-1.5.4-1] [MQTT-1.5.4-2]. ASCII, the usual case, is decided without leaving JavaScript.
 */
export function isWellFormed(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === 0) return false;
    if (byte > ASCII_MAX) {
      const rest = bytes.subarray(at, end);
      return !rest.includes(0) && isUtf8(rest);
    }
  }
  return true;
}

/** Payload Format Indicator 1 asks for well-formed UTF-8; U+0000 is allowed in a payload. */
export function isUtf8Payload(bytes: Buffer, start: number, end: number): boolean {
  return isUtf8(bytes.subarray(start, end));
}
