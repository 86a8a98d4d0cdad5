/** Redis' `struct` library: numbers and texts as bytes. */
import { toInteger, toNumber, toText } from './number.js';
import { LuaError, LuaTable, type LuaValue, multi } from './value.js';

interface Item {
  readonly option: string;
  /** Bytes; -1: none was said. */
  readonly size: number;
  readonly isBig: boolean;
}

const plainSizes: Readonly<Record<string, number>> = { b: 1, B: 1, h: 2, H: 2, l: 8, L: 8, T: 8 };
const parsed = new Map<string, readonly Item[]>();

function itemsOf(format: string): readonly Item[] {
  const known = parsed.get(format);
  if (known !== undefined) return known;
  const items: Item[] = [];
  let isBig = false;
  for (const [all, option, digits] of format.matchAll(/([a-zA-Z<>=!])(\d*)|\s+/g)) {
    if (option === undefined) continue;
    if (option === '>') isBig = true;
    else if (option === '<' || option === '=') isBig = false;
    else if ('iI'.includes(option)) {
      items.push({ option, size: digits === '' ? 4 : Number(digits), isBig });
    } else if ('cx'.includes(option)) {
      items.push({ option, size: digits === '' ? 1 : Number(digits), isBig });
    } else if (plainSizes[option] !== undefined) {
      items.push({ option: option < 'a' ? 'I' : 'i', size: plainSizes[option], isBig });
    } else if ('fd'.includes(option)) {
      items.push({ option, size: option === 'f' ? 4 : 8, isBig });
    } else if (option === 's') items.push({ option, size: -1, isBig });
    else throw new LuaError(`invalid format option '${all}'`);
  }
  parsed.set(format, items);
  return items;
}

function floating({ isBig, option }: Item, bytes: Buffer): number {
  if (option === 'f') return isBig ? bytes.readFloatBE() : bytes.readFloatLE();
  return isBig ? bytes.readDoubleBE() : bytes.readDoubleLE();
}

function packFloating(value: LuaValue, { isBig, option, size }: Item): string {
  const bytes = Buffer.alloc(size);
  const number = toNumber(value);
  if (option === 'f') bytes.writeFloatBE(number);
  else bytes.writeDoubleBE(number);
  return (isBig ? bytes : bytes.reverse()).toString('latin1');
}

function packNumber(value: LuaValue, { isBig, size }: Item): string {
  const number = Math.trunc(toNumber(value));
  const codes: number[] = [];
  if (number >= 0 && number <= Number.MAX_SAFE_INTEGER) {
    let rest = number;
    for (let at = 0; at < size; at++) {
      codes.push(rest % 256);
      rest = Math.floor(rest / 256);
    }
  } else {
    let rest = BigInt.asUintN(64, BigInt(number));
    for (let at = 0; at < size; at++) {
      codes.push(Number(rest & 255n));
      rest >>= 8n;
    }
  }
  if (isBig) codes.reverse();
  return String.fromCharCode(...codes);
}

function unpackNumber(text: string, at: number, { isBig, option, size }: Item): number {
  let value = 0;
  for (let index = 0; index < size; index++) {
    value = value * 256 + text.charCodeAt(isBig ? at + index : at + size - 1 - index);
  }
  if (option === 'i' && size < 7 && value >= 2 ** (size * 8 - 1)) value -= 2 ** (size * 8);
  if (option === 'i' && size === 8 && value >= 2 ** 63) {
    return Number(
      BigInt.asIntN(
        64,
        BigInt(`0x${Buffer.from(text.slice(at, at + 8), 'latin1').toString('hex')}`),
      ),
    );
  }
  return value;
}

function pack(formatValue: LuaValue, ...args: LuaValue[]): string {
  let out = '';
  let next = 0;
  for (const item of itemsOf(toText(formatValue))) {
    if (item.option === 'x') out += '\0'.repeat(item.size);
    else if (item.option === 'c') {
      const text = toText(args[next++]);
      const size = item.size === 0 ? text.length : item.size;
      if (text.length < size) throw new LuaError('arg #: string too short');
      out += text.slice(0, size);
    } else if (item.option === 's') out += `${toText(args[next++])}\0`;
    else if ('fd'.includes(item.option)) out += packFloating(args[next++], item);
    else out += packNumber(args[next++], item);
  }
  return out;
}

function unpack(formatValue: LuaValue, textValue: LuaValue, position: LuaValue) {
  const text = toText(textValue);
  const values: LuaValue[] = [];
  let at = toInteger(position, 1) - 1;
  const need = (size: number): void => {
    if (at + size > text.length) throw new LuaError('data string too short');
  };
  for (const item of itemsOf(toText(formatValue))) {
    if (item.option === 'x') at += item.size;
    else if (item.option === 'c') {
      let { size } = item;
      if (size === 0) {
        const length = values.pop();
        if (typeof length !== 'number') throw new LuaError("format 'c0' needs a previous size");
        size = length;
      }
      need(size);
      values.push(text.slice(at, at + size));
      at += size;
    } else if (item.option === 's') {
      const end = text.indexOf('\0', at);
      if (end < 0) throw new LuaError('unfinished string in data');
      values.push(text.slice(at, end));
      at = end + 1;
    } else {
      need(item.size);
      if ('fd'.includes(item.option)) {
        values.push(floating(item, Buffer.from(text.slice(at, at + item.size), 'latin1')));
      } else {
        values.push(unpackNumber(text, at, item));
      }
      at += item.size;
    }
  }
  values.push(at + 1);
  return multi(values);
}

export const structLibrary = new LuaTable();
structLibrary.set('pack', pack);
structLibrary.set('unpack', unpack);
structLibrary.set('size', (format) =>
  itemsOf(toText(format)).reduce((sum, { size }) => sum + Math.max(0, size), 0),
);
