/** Numbers as text and back, as C and Lua 5.1 do it. */
import { LuaError, type LuaValue, typeName } from './value.js';

/** `%.14g`: what `..` and `tostring` make of a number. */
export function numberText(value: number): string {
  return general(value, 14);
}

/** `%.<precision>g`. */
export function general(value: number, precision: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  // The usual ones.
  if (Number.isInteger(value) && Math.abs(value) < 10 ** Math.min(precision, 15)) return `${value}`;
  const [digits, exponent] = rounded(value, precision);
  const sign = value < 0 ? '-' : '';
  if (exponent < -4 || exponent >= precision) {
    const size = String(Math.abs(exponent)).padStart(2, '0');
    const mantissa = withoutZeros(`${digits[0]}.${digits.slice(1)}`);
    return `${sign}${mantissa}e${exponent < 0 ? '-' : '+'}${size}`;
  }
  if (exponent < 0) return `${sign}${withoutZeros(`0.${'0'.repeat(-exponent - 1)}${digits}`)}`;
  const whole = digits.slice(0, exponent + 1);
  return `${sign}${withoutZeros(`${whole}.${digits.slice(exponent + 1)}`)}`;
}

/** Enough to see that a number lies exactly between two others. */
const EXACT_DIGITS = 60;

/** So many digits of a number, of two as near the even ones; and its exponent. */
function rounded(value: number, precision: number): readonly [string, number] {
  const [mantissa, exponentText] = Math.abs(value).toExponential(EXACT_DIGITS).split('e');
  const digits = mantissa!.replace('.', '');
  const exponent = Number(exponentText);
  const kept = digits.slice(0, precision);
  const rest = digits.slice(precision);
  const half = `5${'0'.repeat(rest.length - 1)}`;
  const isOdd = Number(kept.at(-1)) % 2 === 1;
  if (rest < half || (rest === half && !isOdd)) return [kept, exponent];
  const up = (BigInt(kept) + 1n).toString();
  return up.length > precision ? [up.slice(0, precision), exponent + 1] : [up, exponent];
}

function withoutZeros(text: string): string {
  return text.replace(/\.?0*$/, '');
}

/** `strtod` on the whole text; undefined: it is no number. */
export function parseNumber(text: string): number | undefined {
  const trimmed = text.trim();
  if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(trimmed)) return Number(trimmed);
  const special = /^([+-]?)(?:(0x[0-9a-f]+)|(inf(?:inity)?)|(nan))$/i.exec(trimmed);
  if (special === null) return undefined;
  const size = special[2] ? Number(special[2]) : special[3] ? Number.POSITIVE_INFINITY : Number.NaN;
  return special[1] === '-' ? -size : size;
}

/** As operand of arithmetic. @throws LuaError */
export function toNumber(value: LuaValue): number {
  if (typeof value === 'number') return value;
  const parsed = typeof value === 'string' ? parseNumber(value) : undefined;
  if (parsed !== undefined) return parsed;
  throw new LuaError(`attempt to perform arithmetic on a ${typeName(value)} value`);
}

/** As operand of `..`, or a text argument. @throws LuaError */
export function toText(value: LuaValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return numberText(value);
  throw new LuaError(`string expected, got ${typeName(value)}`);
}

/** As the argument of a library function that takes a whole number. */
export function toInteger(value: LuaValue, fallback?: number): number {
  if (value === undefined && fallback !== undefined) return fallback;
  return Math.trunc(toNumber(value));
}
