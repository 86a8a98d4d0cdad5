/** What compiled scripts call: operators, and the library. */
import { messagePackLibrary } from './message-pack.js';
import { parseNumber, toInteger, toNumber, toText } from './number.js';
import { stringLibrary } from './string-library.js';
import { structLibrary } from './struct.js';
import {
  first,
  isTrue,
  LuaError,
  type LuaFunction,
  LuaTable,
  type LuaValue,
  Multi,
  multi,
  spread,
  tableOf,
  typeName,
} from './value.js';

/** Operators; what is usual comes first in each. */
export const operators = {
  first,
  spread,
  multi,
  isTrue,
  none: new Multi([]),
  LuaTable,
  tableOf,
  tableWith: (named: readonly (readonly [LuaValue, LuaValue])[], list: readonly LuaValue[]) => {
    const table = new LuaTable();
    for (const [key, value] of named) table.set(key, value);
    for (let at = 0; at < list.length; at++) table.set(at + 1, list[at]);
    return table;
  },
  add: (a: LuaValue, b: LuaValue) =>
    typeof a === 'number' && typeof b === 'number' ? a + b : toNumber(a) + toNumber(b),
  subtract: (a: LuaValue, b: LuaValue) =>
    typeof a === 'number' && typeof b === 'number' ? a - b : toNumber(a) - toNumber(b),
  multiply: (a: LuaValue, b: LuaValue) => toNumber(a) * toNumber(b),
  divide: (a: LuaValue, b: LuaValue) => toNumber(a) / toNumber(b),
  modulo: (a: LuaValue, b: LuaValue) => {
    const x = toNumber(a);
    const y = toNumber(b);
    return x - Math.floor(x / y) * y;
  },
  power: (a: LuaValue, b: LuaValue) => toNumber(a) ** toNumber(b),
  negate: (a: LuaValue) => -toNumber(a),
  concat: (a: LuaValue, b: LuaValue) =>
    typeof a === 'string' && typeof b === 'string' ? a + b : toText(a) + toText(b),
  less: (a: LuaValue, b: LuaValue) => {
    if (typeof a === 'number' && typeof b === 'number') return a < b;
    return bothTexts(a, b) && (a as string) < (b as string);
  },
  lessOrEqual: (a: LuaValue, b: LuaValue) => {
    if (typeof a === 'number' && typeof b === 'number') return a <= b;
    return bothTexts(a, b) && (a as string) <= (b as string);
  },
  length: (a: LuaValue) => {
    if (typeof a === 'string') return a.length;
    if (a instanceof LuaTable) return a.list.length;
    throw new LuaError(`attempt to get length of a ${typeName(a)} value`);
  },
  index: (object: LuaValue, key: LuaValue): LuaValue => {
    if (object instanceof LuaTable) return object.get(key);
    if (typeof object === 'string') return stringLibrary.get(key);
    throw new LuaError(`attempt to index a ${typeName(object)} value (field '${String(key)}')`);
  },
  setIndex: (object: LuaValue, key: LuaValue, value: LuaValue): void => {
    if (object instanceof LuaTable) object.set(key, value);
    else throw new LuaError(`attempt to index a ${typeName(object)} value`);
  },
  /** Limit and step of a loop. */
  toNumber,
  iterate,
};

function bothTexts(a: LuaValue, b: LuaValue): boolean {
  if (typeof a === 'string' && typeof b === 'string') return true;
  throw new LuaError(`attempt to compare ${typeName(a)} with ${typeName(b)}`);
}

/** What `for … in` goes through, one list of values at a time. */
function* iterate(values: readonly LuaValue[]): Generator<readonly LuaValue[]> {
  const [step, state, start] = values;
  if (typeof step !== 'function') throw new LuaError('for … in needs a function');
  if (step === next && state instanceof LuaTable) {
    for (const [key] of state.entries()) {
      const value = state.get(key);
      if (value !== undefined) yield [key, value];
    }
    return;
  }
  for (let control = start; ; ) {
    const some = spread(step(state, control));
    control = some[0];
    if (control === undefined) return;
    yield some;
  }
}

const next: LuaFunction = (table, key) => {
  const entry = asTable(table).after(key);
  return entry === null ? undefined : new Multi(entry);
};

const nextOfList: LuaFunction = (table, at) => {
  const index = (at as number) + 1;
  const value = asTable(table).get(index);
  return value === undefined ? undefined : new Multi([index, value]);
};

function asTable(value: LuaValue): LuaTable {
  if (value instanceof LuaTable) return value;
  throw new LuaError(`table expected, got ${typeName(value)}`);
}

function unpack(table: LuaValue, from?: LuaValue, to?: LuaValue) {
  const { list } = asTable(table);
  const start = toInteger(from, 1);
  const end = toInteger(to, list.length);
  return multi(
    Array.from({ length: Math.max(0, end - start + 1) }, (_, at) => asTable(table).get(start + at)),
  );
}

const tables: Readonly<Record<string, LuaFunction>> = {
  concat: (table, separator, from, to) => {
    const { list } = asTable(table);
    const some = list.slice(toInteger(from, 1) - 1, toInteger(to, list.length));
    return some.map(toText).join(separator === undefined ? '' : toText(separator));
  },
  insert: (table, ...rest) => {
    const target = asTable(table);
    const [position, value] = rest.length > 1 ? rest : [target.list.length + 1, rest[0]];
    const at = toInteger(position);
    for (let index = target.list.length; index >= at; index--) {
      target.set(index + 1, target.get(index));
    }
    target.set(at, value);
    return undefined;
  },
  remove: (table, position) => {
    const target = asTable(table);
    const { length } = target.list;
    const at = toInteger(position, length);
    if (at < 1 || at > length) return undefined;
    const removed = target.get(at);
    for (let index = at; index < length; index++) target.set(index, target.get(index + 1));
    target.set(length, undefined);
    return removed;
  },
  sort: (table, isLess) => {
    const { list } = asTable(table);
    const less = typeof isLess === 'function' ? isLess : operators.less;
    list.sort((a, b) => (isTrue(first(less(a, b))) ? -1 : isTrue(first(less(b, a))) ? 1 : 0));
    return undefined;
  },
};

const bits: Readonly<Record<string, LuaFunction>> = {
  band: (...all) => all.reduce((mask: number, one) => mask & wrapped(one), -1),
  bor: (...all) => all.reduce((mask: number, one) => mask | wrapped(one), 0),
  bxor: (...all) => all.reduce((mask: number, one) => mask ^ wrapped(one), 0),
  bnot: (one) => ~wrapped(one),
  lshift: (one, by) => wrapped(one) << (toNumber(by) & 31),
  rshift: (one, by) => (wrapped(one) >>> (toNumber(by) & 31)) | 0,
  tobit: (one) => wrapped(one),
};

/** The nearest whole number, of two the even one, as 32 bits. */
function wrapped(value: LuaValue): number {
  const number = toNumber(value);
  const below = Math.floor(number);
  const isUp = number - below > 0.5 || (number - below === 0.5 && below % 2 !== 0);
  return (isUp ? below + 1 : below) | 0;
}

const maths: Readonly<Record<string, LuaValue>> = {
  huge: Number.POSITIVE_INFINITY,
  pi: Math.PI,
  abs: (value) => Math.abs(toNumber(value)),
  ceil: (value) => Math.ceil(toNumber(value)),
  floor: (value) => Math.floor(toNumber(value)),
  fmod: (a, b) => toNumber(a) % toNumber(b),
  max: (...all) => Math.max(...all.map(toNumber)),
  min: (...all) => Math.min(...all.map(toNumber)),
};

const basics: Readonly<Record<string, LuaFunction>> = {
  next,
  unpack,
  pairs: (table) => new Multi([next, asTable(table), undefined]),
  ipairs: (table) => new Multi([nextOfList, asTable(table), 0]),
  type: (value) => typeName(value),
  tostring: (value) => {
    if (typeof value === 'string' || typeof value === 'number') return toText(value);
    return typeof value === 'boolean' ? String(value) : typeName(value);
  },
  tonumber: (value, base) => {
    if (typeof value === 'number') return value;
    if (typeof value !== 'string') return undefined;
    if (base === undefined || base === 10) return parseNumber(value);
    const parsed = Number.parseInt(value, toInteger(base));
    return Number.isNaN(parsed) ? undefined : parsed;
  },
  select: (at, ...rest) => (at === '#' ? rest.length : multi(rest.slice(toInteger(at) - 1))),
  error: (value) => {
    throw new LuaError(value);
  },
  pcall: (body, ...args) => {
    if (typeof body !== 'function') return new Multi([false, 'attempt to call a value']);
    try {
      return new Multi([true, ...spread(body(...args))]);
    } catch (error) {
      const value = error instanceof LuaError ? error.value : String(error);
      return new Multi([false, value]);
    }
  },
  assert: (value, text, ...rest) => {
    if (isTrue(value)) return multi([value, text, ...rest]);
    throw new LuaError(text ?? 'assertion failed!');
  },
};

function tableFrom(values: Readonly<Record<string, LuaValue>>): LuaTable {
  const table = new LuaTable();
  for (const [name, value] of Object.entries(values)) table.set(name, value);
  return table;
}

/** What is there for every script, by name. */
export const globals: ReadonlyMap<string, LuaValue> = new Map<string, LuaValue>([
  ...Object.entries(basics),
  ['string', stringLibrary],
  ['table', tableFrom(tables)],
  ['math', tableFrom(maths)],
  ['bit', tableFrom(bits)],
  ['struct', structLibrary],
  ['cmsgpack', messagePackLibrary],
]);
