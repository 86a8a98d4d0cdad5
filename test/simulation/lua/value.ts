/**
 * Lua's values in JavaScript: nil is undefined, numbers are doubles in both, strings are JavaScript
 * strings of which each character is one byte, tables are `LuaTable`, functions are functions.
 *
 * A function that gives one value returns it; only one that gives none or several returns `Multi`.
 */

export type LuaFunction = (...args: LuaValue[]) => LuaResult;
export type LuaValue = undefined | boolean | number | string | LuaTable | LuaFunction;
export type LuaResult = LuaValue | Multi;

/** No value, or several. */
export class Multi {
  readonly values: readonly LuaValue[];

  constructor(values: readonly LuaValue[]) {
    this.values = values;
  }
}

/** What a script throws: a text, or a table like `{ err = … }`. */
export class LuaError extends Error {
  readonly value: LuaValue;

  constructor(value: LuaValue) {
    super(typeof value === 'string' ? value : 'a Lua error');
    this.value = value;
  }
}

export class LuaTable {
  /** Values of the keys 1, 2, …; the last one is never nil. */
  readonly list: LuaValue[] = [];
  private hash: Map<LuaValue, LuaValue> | null = null;

  get(key: LuaValue): LuaValue {
    if (typeof key === 'number' && key > 0 && key <= this.list.length && Number.isInteger(key)) {
      return this.list[key - 1];
    }
    return this.hash === null ? undefined : this.hash.get(key);
  }

  set(key: LuaValue, value: LuaValue): void {
    const { list } = this;
    if (typeof key === 'number') {
      if (Number.isNaN(key)) throw new LuaError('table index is NaN');
      if (key > 0 && key <= list.length && Number.isInteger(key)) {
        list[key - 1] = value;
        while (list.length > 0 && list[list.length - 1] === undefined) list.pop();
        return;
      }
      if (key === list.length + 1) {
        this.append(value);
        return;
      }
    }
    if (key === undefined) throw new LuaError('table index is nil');
    if (value === undefined) this.hash?.delete(key);
    else {
      this.hash ??= new Map();
      this.hash.set(key, value);
    }
  }

  /** The key after `key`, and its value; null: there is none. */
  after(key: LuaValue): readonly [LuaValue, LuaValue] | null {
    const isInList = typeof key === 'number' && key <= this.list.length && key > 0;
    if (key === undefined || isInList) {
      for (let at = (key as number | undefined) ?? 0; at < this.list.length; at++) {
        if (this.list[at] !== undefined) return [at + 1, this.list[at]];
      }
      const first = this.hash?.entries().next();
      return first === undefined || first.done ? null : first.value;
    }
    let isNext = false;
    for (const entry of this.hash ?? []) {
      if (isNext) return entry;
      isNext = entry[0] === key;
    }
    return null;
  }

  /** All keys and values at this moment. */
  entries(): [LuaValue, LuaValue][] {
    const found: [LuaValue, LuaValue][] = [];
    for (let at = 0; at < this.list.length; at++) {
      if (this.list[at] !== undefined) found.push([at + 1, this.list[at]]);
    }
    for (const entry of this.hash ?? []) found.push(entry);
    return found;
  }

  private append(value: LuaValue): void {
    const { hash, list } = this;
    if (value === undefined) {
      hash?.delete(list.length + 1);
      return;
    }
    list.push(value);
    if (hash === null) return;
    hash.delete(list.length);
    for (let next = hash.get(list.length + 1); next !== undefined; ) {
      list.push(next);
      hash.delete(list.length);
      next = hash.get(list.length + 1);
    }
  }
}

export function tableOf(values: readonly LuaValue[]): LuaTable {
  const table = new LuaTable();
  for (let at = 0; at < values.length; at++) table.set(at + 1, values[at]);
  return table;
}

export function isTrue(value: LuaValue): boolean {
  return value !== undefined && value !== false;
}

/** The value where only one counts. */
export function first(result: LuaResult): LuaValue {
  return result instanceof Multi ? result.values[0] : result;
}

/** All values of the last expression of a list. */
export function spread(result: LuaResult): readonly LuaValue[] {
  return result instanceof Multi ? result.values : [result];
}

export function multi(values: readonly LuaValue[]): LuaResult {
  return values.length === 1 ? values[0] : new Multi(values);
}

export function typeName(value: LuaValue): string {
  if (value === undefined) return 'nil';
  if (value instanceof LuaTable) return 'table';
  return typeof value;
}
