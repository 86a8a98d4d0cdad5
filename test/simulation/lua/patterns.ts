/** Lua's patterns: `match`, `find`, `gmatch`, `gsub`. */
import { LuaError, type LuaValue } from './value.js';

const PERCENT = 37;
const isIn: Readonly<Record<string, (code: number) => boolean>> = {
  a: (c) => (c >= 65 && c <= 90) || (c >= 97 && c <= 122),
  d: (c) => c >= 48 && c <= 57,
  l: (c) => c >= 97 && c <= 122,
  u: (c) => c >= 65 && c <= 90,
  s: (c) => c === 32 || (c >= 9 && c <= 13),
  w: (c) => (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122),
  x: (c) => (c >= 48 && c <= 57) || (c >= 65 && c <= 70) || (c >= 97 && c <= 102),
  p: (c) => c > 32 && c < 127 && !isIn.w!(c),
  c: (c) => c < 32 || c === 127,
  z: (c) => c === 0,
};

function isOfClass(code: number, letter: number): boolean {
  const character = String.fromCharCode(letter);
  const test = isIn[character.toLowerCase()];
  if (test === undefined) return code === letter;
  return test(code) === (character === character.toLowerCase());
}

interface Capture {
  start: number;
  /** -1: still open; -2: a position. */
  length: number;
}

/** One attempt to match `pattern` with `text`. */
export class Matcher {
  readonly text: string;
  private readonly pattern: string;
  private captures: Capture[] = [];

  constructor(text: string, pattern: string) {
    this.text = text;
    this.pattern = pattern;
  }

  /** Where a match that begins at `start` ends; -1: there is none. */
  matchAt(start: number, patternStart: number): number {
    this.captures = [];
    return this.match(start, patternStart);
  }

  /** What was captured; the whole match when nothing was. */
  results(start: number, end: number): LuaValue[] {
    if (this.captures.length === 0) return [this.text.slice(start, end)];
    return this.captures.map(({ start: from, length }) => {
      if (length === -1) throw new LuaError('unfinished capture');
      return length === -2 ? from + 1 : this.text.slice(from, from + length);
    });
  }

  get hasCaptures(): boolean {
    return this.captures.length > 0;
  }

  private match(s: number, p: number): number {
    const { pattern, text } = this;
    if (p === pattern.length) return s;
    const character = pattern[p];
    if (character === '(') return this.open(s, p);
    if (character === ')') return this.close(s, p);
    if (character === '$' && p + 1 === pattern.length) return s === text.length ? s : -1;
    const end = this.itemEnd(p);
    const suffix = pattern[end];
    if (suffix === '?') {
      const rest = this.isOne(s, p, end) ? this.match(s + 1, end + 1) : -1;
      return rest >= 0 ? rest : this.match(s, end + 1);
    }
    if (suffix === '*') return this.most(s, p, end);
    if (suffix === '+') return this.isOne(s, p, end) ? this.most(s + 1, p, end) : -1;
    if (suffix === '-') return this.fewest(s, p, end);
    return this.isOne(s, p, end) ? this.match(s + 1, end) : -1;
  }

  private open(s: number, p: number): number {
    const isPosition = this.pattern[p + 1] === ')';
    this.captures.push({ start: s, length: isPosition ? -2 : -1 });
    const end = this.match(s, p + (isPosition ? 2 : 1));
    if (end < 0) this.captures.pop();
    return end;
  }

  private close(s: number, p: number): number {
    const capture = this.captures.findLast(({ length }) => length === -1);
    if (capture === undefined) throw new LuaError('invalid pattern capture');
    capture.length = s - capture.start;
    const end = this.match(s, p + 1);
    if (end < 0) capture.length = -1;
    return end;
  }

  private most(s: number, p: number, end: number): number {
    let count = 0;
    while (this.isOne(s + count, p, end)) count++;
    for (; count >= 0; count--) {
      const rest = this.match(s + count, end + 1);
      if (rest >= 0) return rest;
    }
    return -1;
  }

  private fewest(s: number, p: number, end: number): number {
    for (;;) {
      const rest = this.match(s, end + 1);
      if (rest >= 0) return rest;
      if (!this.isOne(s, p, end)) return -1;
      s++;
    }
  }

  /** Where the single item of a pattern that begins at `p` ends. */
  private itemEnd(p: number): number {
    const { pattern } = this;
    const character = pattern[p++];
    if (character === '%') return p + 1;
    if (character !== '[') return p;
    if (pattern[p] === '^') p++;
    do {
      if (p >= pattern.length) throw new LuaError('malformed pattern (missing ])');
      if (pattern[p++] === '%') p++;
    } while (pattern[p] !== ']');
    return p + 1;
  }

  private isOne(s: number, p: number, end: number): boolean {
    const { pattern, text } = this;
    if (s >= text.length) return false;
    const code = text.charCodeAt(s);
    const character = pattern[p];
    if (character === '.') return true;
    if (character === '%') return isOfClass(code, pattern.charCodeAt(p + 1));
    if (character === '[') return this.isInSet(code, p + 1, end - 1);
    return pattern.charCodeAt(p) === code;
  }

  private isInSet(code: number, p: number, end: number): boolean {
    const { pattern } = this;
    const isNegated = pattern[p] === '^';
    if (isNegated) p++;
    for (; p < end; p++) {
      const low = pattern.charCodeAt(p);
      if (low === PERCENT) {
        if (isOfClass(code, pattern.charCodeAt(++p))) return !isNegated;
      } else if (pattern[p + 1] === '-' && p + 2 < end) {
        if (code >= low && code <= pattern.charCodeAt(p + 2)) return !isNegated;
        p += 2;
      } else if (low === code) {
        return !isNegated;
      }
    }
    return isNegated;
  }
}

export interface Found {
  readonly start: number;
  readonly end: number;
  readonly captures: LuaValue[];
  readonly hasCaptures: boolean;
}

/** The first match from `from` on; null: there is none. */
export function search(text: string, pattern: string, from: number): Found | null {
  const isAnchored = pattern.startsWith('^');
  const matcher = new Matcher(text, pattern);
  for (let start = from; start <= text.length; start++) {
    const end = matcher.matchAt(start, isAnchored ? 1 : 0);
    if (end >= 0) {
      const { hasCaptures } = matcher;
      return { start, end, captures: matcher.results(start, end), hasCaptures };
    }
    if (isAnchored) return null;
  }
  return null;
}
