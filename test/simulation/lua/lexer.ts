/** Lua's source as tokens. */

export interface Token {
  readonly kind: 'name' | 'keyword' | 'number' | 'string' | 'symbol' | 'end';
  /** Of a string: its bytes. */
  readonly text: string;
  readonly line: number;
}

const keywords = new Set(
  (
    'and break do else elseif end false for function if in local nil not or repeat return then ' +
    'true until while'
  ).split(' '),
);
const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '0': '\0',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
};
const blank = /[ \t\r\n]+|--\[\[[\s\S]*?\]\]|--[^\n]*/;
const name = /([A-Za-z_]\w*)/;
const number = /(0x[0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/;
const string = /("(?:\\[\s\S]|[^"\\\n])*"|'(?:\\[\s\S]|[^'\\\n])*')/;
const symbol = /(\.\.\.|\.\.|==|~=|<=|>=|[-+*/%^#<>=(){}[\];:,.])/;
const token = new RegExp(
  [blank, name, number, string, symbol].map((one) => one.source).join('|'),
  'y',
);

/** @param source UTF-8 text; characters beyond ASCII become the bytes that they are in UTF-8 */
export function tokensOf(source: string): Token[] {
  const bytes = Buffer.from(source).toString('latin1');
  const tokens: Token[] = [];
  let line = 1;
  token.lastIndex = 0;
  while (token.lastIndex < bytes.length) {
    const from = token.lastIndex;
    const match = token.exec(bytes);
    if (match === null) throw new Error(`line ${line}: what is ${bytes.slice(from, from + 10)}?`);
    const [all, name, number, string, symbol] = match;
    if (name !== undefined) {
      tokens.push({ kind: keywords.has(name) ? 'keyword' : 'name', text: name, line });
    } else if (number !== undefined) tokens.push({ kind: 'number', text: number, line });
    else if (string !== undefined) tokens.push({ kind: 'string', text: unquoted(string), line });
    else if (symbol !== undefined) tokens.push({ kind: 'symbol', text: symbol, line });
    for (const character of all) if (character === '\n') line++;
  }
  tokens.push({ kind: 'end', text: 'the end', line });
  return tokens;
}

function unquoted(literal: string): string {
  return literal
    .slice(1, -1)
    .replace(/\\(\d{1,3}|[\s\S])/g, (_, escaped: string) =>
      /^\d/.test(escaped) ? String.fromCharCode(Number(escaped)) : (escapes[escaped] ?? escaped),
    );
}
