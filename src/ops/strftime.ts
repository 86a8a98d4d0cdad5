/**
 * `log_timestamp_format`: strftime(3) in the C locale and in local time. Node has none, and
 * Mosquitto's users have their formats.
 */

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const DAY_MS = 86_400_000;
const SHORT_NAME = 3;

/** Conversions that stand for others. */
const compounds: Readonly<Record<string, string>> = {
  c: '%a %b %e %H:%M:%S %Y',
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  r: '%I:%M:%S %p',
  R: '%H:%M',
  T: '%H:%M:%S',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
};

/** Numbers: value, width, and what fills it. */
const numbers: Readonly<Record<string, readonly [(time: Date) => number, number, string]>> = {
  C: [(time) => Math.floor(time.getFullYear() / 100), 2, '0'],
  d: [(time) => time.getDate(), 2, '0'],
  e: [(time) => time.getDate(), 2, ' '],
  g: [(time) => isoWeek(time).year % 100, 2, '0'],
  G: [(time) => isoWeek(time).year, 4, '0'],
  H: [(time) => time.getHours(), 2, '0'],
  I: [(time) => time.getHours() % 12 || 12, 2, '0'],
  j: [(time) => dayOfYear(time) + 1, 3, '0'],
  k: [(time) => time.getHours(), 2, ' '],
  l: [(time) => time.getHours() % 12 || 12, 2, ' '],
  m: [(time) => time.getMonth() + 1, 2, '0'],
  M: [(time) => time.getMinutes(), 2, '0'],
  s: [(time) => Math.floor(time.getTime() / 1000), 1, ''],
  S: [(time) => time.getSeconds(), 2, '0'],
  u: [(time) => time.getDay() || 7, 1, ''],
  U: [(time) => Math.floor((dayOfYear(time) + 7 - time.getDay()) / 7), 2, '0'],
  V: [(time) => isoWeek(time).week, 2, '0'],
  w: [(time) => time.getDay(), 1, ''],
  W: [(time) => Math.floor((dayOfYear(time) + 7 - ((time.getDay() + 6) % 7)) / 7), 2, '0'],
  y: [(time) => time.getFullYear() % 100, 2, '0'],
  Y: [(time) => time.getFullYear(), 1, ''],
};

const texts: Readonly<Record<string, (time: Date) => string>> = {
  '%': () => '%',
  a: (time) => days[time.getDay()]!.slice(0, SHORT_NAME),
  A: (time) => days[time.getDay()]!,
  b: (time) => months[time.getMonth()]!.slice(0, SHORT_NAME),
  B: (time) => months[time.getMonth()]!,
  h: (time) => months[time.getMonth()]!.slice(0, SHORT_NAME),
  n: () => '\n',
  p: (time) => (time.getHours() < 12 ? 'AM' : 'PM'),
  P: (time) => (time.getHours() < 12 ? 'am' : 'pm'),
  t: () => '\t',
  z: zoneOffset,
  Z: zoneName,
};

/**
 * The wall time `wallMs` in `format`. `E` and `O` modifiers have no effect, the flags `-`, `_`
 * and `0` change the filling of numbers; what is no conversion stays as it is.
 */
export function strftime(format: string, wallMs: number): string {
  const time = new Date(wallMs);
  return format.replace(/%([-_0]?)[EO]?([a-zA-Z%])/g, (whole, flag: string, name: string) => {
    const compound = compounds[name];
    if (compound !== undefined) return strftime(compound, wallMs);
    const number = numbers[name];
    if (number === undefined) return texts[name]?.(time) ?? whole;
    const [compute, width, fill] = number;
    const digits = String(compute(time));
    if (flag === '-') return digits;
    return digits.padStart(width, flag === '_' ? ' ' : flag || fill);
  });
}

/** Days since 1 January; by calendar dates, so that summer time does not matter. */
function dayOfYear(time: Date): number {
  return daysBetween(time.getFullYear(), 0, 1, time);
}

function daysBetween(year: number, month: number, day: number, time: Date): number {
  const from = Date.UTC(year, month, day);
  const to = Date.UTC(time.getFullYear(), time.getMonth(), time.getDate());
  return Math.round((to - from) / DAY_MS);
}

/** ISO 8601: week 1 is the one with the first Thursday; its days may be of the other year. */
function isoWeek(time: Date): { readonly year: number; readonly week: number } {
  const toThursday = 4 - (time.getDay() || 7);
  const thursday = new Date(time.getFullYear(), time.getMonth(), time.getDate() + toThursday);
  const week = Math.floor(dayOfYear(thursday) / 7) + 1;
  return { year: thursday.getFullYear(), week };
}

function zoneOffset(time: Date): string {
  const east = -time.getTimezoneOffset();
  const minutes = Math.abs(east);
  const hhmm = Math.floor(minutes / 60) * 100 + (minutes % 60);
  return `${east < 0 ? '-' : '+'}${String(hhmm).padStart(4, '0')}`;
}

function zoneName(time: Date): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(time);
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
}
