/** Lua's `string` library, as far as scripts use it. */
import { general, numberText, toInteger, toNumber, toText } from './number.js';
import { search } from './patterns.js';
import { LuaError, type LuaFunction, LuaTable, type LuaValue, Multi, multi } from './value.js';

/** Offset of a position that may count from the end. */
function startOf(position: number, length: number): number {
  if (position > 0) return position - 1;
  return position === 0 ? 0 : Math.max(0, length + position);
}

function sub(text: string, from: number, to: number): string {
  const end = to < 0 ? text.length + to + 1 : to;
  return text.slice(startOf(from, text.length), Math.max(0, end));
}

function find(textValue: LuaValue, patternValue: LuaValue, init: LuaValue, plain: LuaValue) {
  const text = toText(textValue);
  const pattern = toText(patternValue);
  const from = startOf(toInteger(init, 1), text.length);
  if (plain === true || !/[\^$*+?.([%-]/.test(pattern)) {
    const at = from > text.length ? -1 : text.indexOf(pattern, from);
    return at < 0 ? undefined : new Multi([at + 1, at + pattern.length]);
  }
  const found = search(text, pattern, from);
  if (found === null) return undefined;
  return new Multi([found.start + 1, found.end, ...(found.hasCaptures ? found.captures : [])]);
}

function match(textValue: LuaValue, pattern: LuaValue, init?: LuaValue) {
  const text = toText(textValue);
  const found = search(text, toText(pattern), startOf(toInteger(init, 1), text.length));
  return found === null ? undefined : multi(found.captures);
}

function gmatch(textValue: LuaValue, patternValue: LuaValue): LuaFunction {
  const text = toText(textValue);
  const pattern = toText(patternValue);
  let at = 0;
  return () => {
    const found = at > text.length ? null : search(text, pattern, at);
    if (found === null) return undefined;
    at = found.end > found.start ? found.end : found.end + 1;
    return multi(found.captures);
  };
}

function gsub(textValue: LuaValue, patternValue: LuaValue, replacement: LuaValue) {
  const text = toText(textValue);
  const pattern = toText(patternValue);
  const by = toText(replacement);
  let out = '';
  let count = 0;
  let at = 0;
  while (at <= text.length) {
    const found = search(text, pattern, at);
    if (found === null) break;
    count++;
    const whole = text.slice(found.start, found.end);
    const captures = found.captures.map((one) => toText(one));
    const filled = by.replace(/%([0-9%])/g, (_, which: string) =>
      which === '%' ? '%' : which === '0' ? whole : (captures[Number(which) - 1] ?? ''),
    );
    out += text.slice(at, found.start) + filled;
    at = found.end;
    if (found.end === found.start) out += text.slice(at, ++at);
    if (pattern.startsWith('^')) break;
  }
  return new Multi([out + text.slice(at), count]);
}

function format(template: LuaValue, ...args: LuaValue[]): string {
  let at = 0;
  const specification = /%([-+ #0]*)(\d*)(?:\.(\d*))?([a-zA-Z%])/g;
  return toText(template).replace(specification, (_, flags, width, precision, kind) => {
    if (kind === '%') return '%';
    const filled = formatOne(kind, precision, args[at++]);
    if (filled.length >= Number(width)) return filled;
    if (flags.includes('-')) return filled.padEnd(Number(width));
    return filled.padStart(Number(width), flags.includes('0') ? '0' : ' ');
  });
}

/** After the point, as many as `toFixed` gives; no number here has more. */
const EXACT_DIGITS = 100;

function formatOne(kind: string, precision: string | undefined, value: LuaValue): string {
  const digits = precision === undefined ? 6 : Number(precision);
  switch (kind) {
    case 'd':
    case 'i':
      return String(Math.trunc(toNumber(value)));
    case 'x':
      return Math.trunc(toNumber(value)).toString(16);
    case 'g':
      return general(toNumber(value), digits || 1);
    case 'f': {
      const number = toNumber(value);
      if (!Number.isFinite(number)) return numberText(number);
      // toFixed gives up at 1e21.
      return Math.abs(number) < 1e21 ? fixed(number, digits) : BigInt(number).toString();
    }
    case 's': {
      const text = toText(value);
      return precision === undefined ? text : text.slice(0, Number(precision));
    }
    default:
      throw new LuaError(`invalid option '%${kind}' to 'format'`);
  }
}

/** As C has it: of two that are as near, the one with an even last digit. */
function fixed(number: number, digits: number): string {
  const exact = number.toFixed(EXACT_DIGITS);
  const end = exact.length - EXACT_DIGITS + digits;
  const below = exact.slice(0, digits === 0 ? end - 1 : end);
  const isHalf = /^50*$/.test(exact.slice(end));
  return isHalf && Number(below.at(-1)) % 2 === 0 ? below : number.toFixed(digits);
}

const functions: Readonly<Record<string, LuaFunction>> = {
  find,
  match,
  gmatch,
  gsub,
  format,
  byte: (text, from, to) => {
    const bytes = toText(text);
    const start = toInteger(from, 1);
    const codes = [...sub(bytes, start, toInteger(to, start))].map((one) => one.charCodeAt(0));
    return multi(codes);
  },
  char: (...codes) => String.fromCharCode(...codes.map((code) => toNumber(code))),
  len: (text) => toText(text).length,
  lower: (text) => toText(text).replace(/[A-Z]/g, (one) => one.toLowerCase()),
  rep: (text, count) => toText(text).repeat(Math.max(0, toInteger(count))),
  reverse: (text) => [...toText(text)].reverse().join(''),
  sub: (text, from, to) => sub(toText(text), toInteger(from, 1), toInteger(to, -1)),
  upper: (text) => toText(text).replace(/[a-z]/g, (one) => one.toUpperCase()),
};

export const stringLibrary = new LuaTable();
for (const [name, value] of Object.entries(functions)) stringLibrary.set(name, value);
