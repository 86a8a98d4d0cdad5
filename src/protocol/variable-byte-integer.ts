/** Variable Byte Integers (MQTT 5.0 section 1.5.5). Hot path. */

export const VARIABLE_BYTE_INTEGER_MAX = 268_435_455;

/** Bytes that `value` takes, 1 to 4. */
export function variableByteIntegerSize(value: number): number {
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4;
}

/** Writes `value` at `at` and returns the index behind it. */
export function writeVariableByteInteger(bytes: Uint8Array, at: number, value: number): number {
  while (value > 127) {
    bytes[at++] = (value & 127) | 128;
    value >>>= 7;
  }
  bytes[at++] = value;
  return at;
}

/** The value could not be read: more bytes are needed. */
export const INCOMPLETE = -1;
/** The value is longer than four bytes or not in its shortest form [MQTT-1.5.5-1]. */
export const OVERLONG = -2;

/**
 * Reads the integer at `at`. The number of bytes it took is
 * `variableByteIntegerSize(result)`, since only the shortest form is accepted.
 */
export function readVariableByteInteger(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    if (at >= end) return INCOMPLETE;
    const byte = bytes[at++]!;
    value |= (byte & 127) << shift;
    if (byte < 128) return byte === 0 && shift > 0 ? OVERLONG : value;
  }
  return OVERLONG;
}
