/**
 * Compiles Lua's expressions to JavaScript: operators become calls of `operators`, locals become
 * variables with names of their own. What statements are, the subclass says.
 */
import { type Token, tokensOf } from './lexer.js';
import { globals } from './runtime.js';

/** A compiled expression. */
export interface Expression {
  readonly code: string;
  /** May give several values, or none. */
  readonly isMulti?: boolean;
  /** Is true or false. */
  readonly isBoolean?: boolean;
  /** Can be assigned to: the variable, or object and key. */
  readonly target?: { readonly object: string; readonly key: string } | 'variable';
}

const binary: Readonly<Record<string, readonly [left: number, right: number, name: string]>> = {
  or: [1, 1, ''],
  and: [2, 2, ''],
  '<': [3, 3, 'less'],
  '>': [3, 3, 'less'],
  '<=': [3, 3, 'lessOrEqual'],
  '>=': [3, 3, 'lessOrEqual'],
  '==': [3, 3, ''],
  '~=': [3, 3, ''],
  '..': [5, 4, 'concat'],
  '+': [6, 6, 'add'],
  '-': [6, 6, 'subtract'],
  '*': [7, 7, 'multiply'],
  '/': [7, 7, 'divide'],
  '%': [7, 7, 'modulo'],
  '^': [10, 9, 'power'],
};
const UNARY = 8;

export abstract class ExpressionCompiler {
  private readonly tokens: readonly Token[];
  private at = 0;
  /** Names in force, innermost last. */
  protected scopes: Map<string, string>[] = [];
  private variables = 0;

  constructor(source: string) {
    this.tokens = tokensOf(source);
  }

  /**
   * Statements up to a word.
   *
   * @param names of parameters or loop variables, to be declared in it
   */
  protected abstract blockTo(word: string, names?: readonly (readonly [string, string])[]): string;

  // Tokens.

  protected get token(): Token {
    return this.tokens[this.at]!;
  }

  protected is(text: string): boolean {
    const { kind } = this.token;
    return this.token.text === text && kind !== 'string' && kind !== 'name';
  }

  protected accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.at++;
    return true;
  }

  protected expect(text: string): void {
    if (this.accept(text)) return;
    if (text === 'the end' && this.token.kind === 'end') return;
    throw new Error(`line ${this.token.line}: ${text} expected at ${this.token.text}`);
  }

  protected name(): string {
    const { kind, line, text } = this.token;
    if (kind !== 'name') throw new Error(`line ${line}: a name expected at ${text}`);
    this.at++;
    return text;
  }

  // Names.

  protected fresh(hint: string): string {
    return `${hint}$${++this.variables}`;
  }

  protected declare(name: string): string {
    const variable = this.fresh(name);
    this.scopes.at(-1)!.set(name, variable);
    return variable;
  }

  protected lookUp(name: string): string {
    for (let at = this.scopes.length - 1; at >= 0; at--) {
      const variable = this.scopes[at]!.get(name);
      if (variable !== undefined) return variable;
    }
    if (!globals.has(name) && !['KEYS', 'ARGV', 'redis'].includes(name)) {
      throw new Error(`line ${this.token.line}: there is no global variable ${name}`);
    }
    return `G_${name}`;
  }

  // Expressions.

  protected expressions(): Expression[] {
    const found = [this.expression()];
    while (this.accept(',')) found.push(this.expression());
    return found;
  }

  protected condition(): string {
    return this.truth(this.expression());
  }

  protected truth(expression: Expression): string {
    return expression.isBoolean ? expression.code : `$.isTrue(${this.single(expression)})`;
  }

  protected single({ code, isMulti }: Expression): string {
    return isMulti ? `$.first(${code})` : code;
  }

  /** Code of an array of all values. */
  protected list(values: readonly Expression[]): string {
    return `[${this.commas(values)}]`;
  }

  protected commas(values: readonly Expression[]): string {
    const codes = values.map((value, at) =>
      value.isMulti && at === values.length - 1 ? `...$.spread(${value.code})` : this.single(value),
    );
    return codes.join(', ');
  }

  protected expression(priority = 0): Expression {
    let left = this.unary();
    for (;;) {
      const { kind, text } = this.token;
      const operator = kind === 'symbol' || kind === 'keyword' ? binary[text] : undefined;
      if (operator === undefined || operator[0] <= priority) return left;
      this.at++;
      left = this.combined(text, operator[2], left, this.expression(operator[1]));
    }
  }

  protected combined(text: string, name: string, left: Expression, right: Expression): Expression {
    const [a, b] = [this.single(left), this.single(right)];
    switch (text) {
      case '==':
        return { code: `(${a} === ${b})`, isBoolean: true };
      case '~=':
        return { code: `(${a} !== ${b})`, isBoolean: true };
      case '<':
      case '<=':
        return { code: `$.${name}(${a}, ${b})`, isBoolean: true };
      case '>':
      case '>=':
        return { code: `$.${name}(${b}, ${a})`, isBoolean: true };
      case 'and':
      case 'or':
        return this.logical(text, left, right);
      default:
        return { code: `$.${name}(${a}, ${b})` };
    }
  }

  protected logical(text: 'and' | 'or', left: Expression, right: Expression): Expression {
    const [a, b] = [this.single(left), this.single(right)];
    const isAnd = text === 'and';
    if (left.isBoolean) {
      const isBoolean = right.isBoolean === true;
      return { code: `(${a} ${isAnd ? '&&' : '||'} ${b})`, isBoolean };
    }
    const either = isAnd ? `$.isTrue(v) ? ${b} : v` : `$.isTrue(v) ? v : ${b}`;
    return { code: `((v) => ${either})(${a})` };
  }

  protected unary(): Expression {
    if (this.accept('not')) {
      return { code: `!${this.truth(this.expression(UNARY))}`, isBoolean: true };
    }
    if (this.accept('-')) return { code: `$.negate(${this.single(this.expression(UNARY))})` };
    if (this.accept('#')) return { code: `$.length(${this.single(this.expression(UNARY))})` };
    return this.simple();
  }

  protected simple(): Expression {
    const { kind, text } = this.token;
    if (kind === 'number' || kind === 'string') {
      this.at++;
      return { code: kind === 'number' ? `${Number(text)}` : JSON.stringify(text) };
    }
    if (this.accept('nil')) return { code: 'undefined' };
    if (this.accept('true')) return { code: 'true', isBoolean: true };
    if (this.accept('false')) return { code: 'false', isBoolean: true };
    if (this.accept('...')) return { code: '$.multi(rest)', isMulti: true };
    if (this.accept('function')) return { code: this.functionBody() };
    if (this.is('{')) return this.table();
    return this.suffixed();
  }

  protected functionBody(): string {
    this.expect('(');
    const names: (readonly [string, string])[] = [];
    let rest = '';
    while (!this.accept(')')) {
      if (this.accept('...')) rest = '...rest';
      else {
        const name = this.name();
        names.push([name, this.fresh(name)]);
      }
      this.accept(',');
    }
    const parameters = [...names.map(([, variable]) => variable), ...(rest ? [rest] : [])];
    return `((${parameters.join(', ')}) => {${this.blockTo('end', names)} return $.none;})`;
  }

  protected table(): Expression {
    this.expect('{');
    const list: Expression[] = [];
    const named: string[] = [];
    while (!this.accept('}')) {
      if (this.accept('[')) {
        const key = this.single(this.expression());
        this.expect(']');
        this.expect('=');
        named.push(`[${key}, ${this.single(this.expression())}]`);
      } else if (this.token.kind === 'name' && this.tokens[this.at + 1]!.text === '=') {
        const key = this.name();
        this.expect('=');
        named.push(`["${key}", ${this.single(this.expression())}]`);
      } else {
        list.push(this.expression());
      }
      if (!this.accept(',')) this.accept(';');
    }
    if (named.length === 0) return { code: `$.tableOf(${this.list(list)})` };
    return { code: `$.tableWith([${named.join(', ')}], ${this.list(list)})` };
  }

  /** A name or what is in parentheses, with what is asked of it. */
  protected suffixed(): Expression {
    let found: Expression;
    if (this.accept('(')) {
      found = { code: `(${this.single(this.expression())})` };
      this.expect(')');
    } else {
      found = { code: this.lookUp(this.name()), target: 'variable' };
    }
    for (;;) {
      if (this.accept('.')) found = this.member(found, JSON.stringify(this.name()));
      else if (this.accept('[')) {
        found = this.member(found, this.single(this.expression()));
        this.expect(']');
      } else if (this.is('(')) {
        found = { code: `${this.single(found)}(${this.args()})`, isMulti: true };
      } else if (this.accept(':')) {
        const method = `$.index(o, ${JSON.stringify(this.name())})(o, ${this.args()})`;
        found = { code: `((o) => ${method})(${this.single(found)})`, isMulti: true };
      } else return found;
    }
  }

  protected member(object: Expression, key: string): Expression {
    const code = this.single(object);
    return { code: `$.index(${code}, ${key})`, target: { object: code, key } };
  }

  protected args(): string {
    this.expect('(');
    const values = this.is(')') ? [] : this.expressions();
    this.expect(')');
    return this.commas(values);
  }
}
