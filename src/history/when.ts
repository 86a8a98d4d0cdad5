/** Points in time as people write them. */

const day = '\\d{4}-\\d{2}-\\d{2}';
const clock = '\\d{2}:\\d{2}(?::\\d{2}(?:\\.\\d{1,9})?)?';
const iso = new RegExp(`^${day}(?:[Tt ]${clock}(?:[Zz]|[+-]\\d{2}:\\d{2}))?$`);
const ago = /^(-?)(\d{1,9})([smhdw]?)$/;
const secondsPer: Readonly<Record<string, number>> = {
  '': 1,
  s: 1,
  m: 60,
  h: 3_600,
  d: 86_400,
  w: 604_800,
};

/** For errors. */
export const timeExpects =
  'a time such as 2026-11-22T10:00:00Z (with Z or +01:00), ' +
  'or an age such as -3600, 90s, 15m, 2h, 7d';

/**
 * Milliseconds since the Unix epoch of `2026-11-22T10:00:00Z`, `2026-11-22` (UTC), `-3600`
 * (seconds ago) or `2h` (ago); null: it is none of these.
 */
export function parseTime(text: string, nowMs: number): number | null {
  const match = ago.exec(text);
  if (match !== null) {
    const [, sign, digits, unit] = match;
    // A bare number could as well be seconds since 1970.
    if (sign === '' && unit === '') return null;
    return nowMs - Number(digits) * secondsPer[unit!]! * 1000;
  }
  if (!iso.test(text)) return null;
  const ms = Date.parse(text.replace(' ', 'T').toUpperCase());
  return Number.isNaN(ms) ? null : ms;
}
