/**
 * Compiles Lua 5.1 to JavaScript: statements become statements. Without goto, metatables and
 * coroutines.
 */
import { compileFunction } from 'node:vm';
import { type Expression, ExpressionCompiler } from './expressions.js';
import { globals, operators } from './runtime.js';
import type { LuaResult, LuaTable } from './value.js';

export type Script = (keys: LuaTable, args: LuaTable, redis: LuaTable) => LuaResult;

/** @throws Error for what is no Lua, or beyond the subset */
export function compile(source: string): Script {
  const code = new Compiler(source).chunk();
  const names = [...globals.keys()].map((name) => `G_${name}`);
  const make = compileFunction(`'use strict'; return (G_KEYS, G_ARGV, G_redis) => {${code}};`, [
    '$',
    ...names,
  ]) as (...args: unknown[]) => Script;
  return make(operators, ...globals.values());
}

class Compiler extends ExpressionCompiler {
  chunk(): string {
    const code = this.block();
    this.expect('the end');
    return `${code} return $.none;`;
  }

  // Statements.

  /** @param names of parameters or loop variables, to be declared in it */
  private block(names: readonly (readonly [string, string])[] = []): string {
    this.scopes.push(new Map(names));
    const code = this.statements();
    this.scopes.pop();
    return code;
  }

  private statements(): string {
    let code = '';
    while (!['end', 'else', 'elseif', 'until'].some((word) => this.is(word))) {
      if (this.token.kind === 'end') break;
      code += `${this.statement()}\n`;
      this.accept(';');
    }
    return code;
  }

  private statement(): string {
    if (this.accept('local')) return this.accept('function') ? this.localFunction() : this.local();
    if (this.accept('if')) return this.ifStatement();
    if (this.accept('while')) {
      const condition = this.condition();
      this.expect('do');
      return `while (${condition}) {${this.blockTo('end')}}`;
    }
    if (this.accept('repeat')) return this.repeat();
    if (this.accept('for')) return this.forStatement();
    if (this.accept('do')) return `{${this.blockTo('end')}}`;
    if (this.accept('return')) return this.returnStatement();
    if (this.accept('break')) return 'break;';
    return this.callOrAssignment();
  }

  protected override blockTo(
    word: string,
    names: readonly (readonly [string, string])[] = [],
  ): string {
    const code = this.block(names);
    this.expect(word);
    return code;
  }

  private local(): string {
    const names = [this.name()];
    while (this.accept(',')) names.push(this.name());
    const values = this.accept('=') ? this.expressions() : [];
    return `let ${this.assigned(names, values).join(', ')};`;
  }

  private assigned(names: readonly string[], values: readonly Expression[]): string[] {
    const last = values.at(-1);
    if (names.length <= values.length || !last?.isMulti) {
      const codes = values.map((value) => this.single(value));
      return names.map((name, at) => `${this.declare(name)} = ${codes[at] ?? 'undefined'}`);
    }
    const list = this.fresh('list');
    const codes = values.map((value) => this.single(value));
    return [
      ...codes.slice(0, -1).map((code, at) => `${this.declare(names[at]!)} = ${code}`),
      `${list} = $.spread(${last.code})`,
      ...names.slice(values.length - 1).map((name, at) => `${this.declare(name)} = ${list}[${at}]`),
    ];
  }

  private localFunction(): string {
    const variable = this.declare(this.name());
    return `let ${variable} = ${this.functionBody()};`;
  }

  private ifStatement(): string {
    let code = `if (${this.condition()}) {`;
    this.expect('then');
    code += this.block();
    for (;;) {
      if (this.accept('elseif')) {
        code += `} else if (${this.condition()}) {`;
        this.expect('then');
        code += this.block();
      } else if (this.accept('else')) {
        code += `} else {${this.block()}`;
      } else {
        this.expect('end');
        return `${code}}`;
      }
    }
  }

  private repeat(): string {
    this.scopes.push(new Map());
    const body = this.statements();
    this.expect('until');
    const condition = this.condition();
    this.scopes.pop();
    return `for (;;) {${body} if (${condition}) break;}`;
  }

  private forStatement(): string {
    const names = [this.name()];
    if (this.accept('=')) return this.numericFor(names[0]!);
    while (this.accept(',')) names.push(this.name());
    this.expect('in');
    const values = this.list(this.expressions());
    this.expect('do');
    const variables = names.map((name) => [name, this.fresh(name)] as const);
    const pattern = variables.map(([, variable]) => variable).join(', ');
    return `for (let [${pattern}] of $.iterate(${values})) {${this.blockTo('end', variables)}}`;
  }

  private numericFor(name: string): string {
    const [from, to, by] = this.expressions().map((one) => `$.toNumber(${this.single(one)})`);
    this.expect('do');
    const [at, limit, step] = [this.fresh('at'), this.fresh('limit'), this.fresh('step')];
    const variable = this.fresh(name);
    const test = `${step} > 0 ? ${at} <= ${limit} : ${at} >= ${limit}`;
    const head = `let ${at} = ${from}, ${limit} = ${to}, ${step} = ${by ?? 1}`;
    const body = this.blockTo('end', [[name, variable]]);
    return `for (${head}; ${test}; ${at} += ${step}) {let ${variable} = ${at}; ${body}}`;
  }

  private returnStatement(): string {
    const isOver = ['end', 'else', 'elseif', 'until', ';'].some((word) => this.is(word));
    if (isOver || this.token.kind === 'end') return 'return $.none;';
    const values = this.expressions();
    if (values.length === 1) return `return ${values[0]!.code};`;
    return `return $.multi(${this.list(values)});`;
  }

  private callOrAssignment(): string {
    const { line } = this.token;
    const target = this.suffixed();
    if (target.isMulti) return `${target.code};`;
    const targets = [target];
    while (this.accept(',')) targets.push(this.suffixed());
    this.expect('=');
    const values = this.expressions();
    if (targets.some((one) => one.target === undefined)) {
      throw new Error(`line ${line}: this cannot be assigned to`);
    }
    if (targets.length === 1) return `${this.store(target, this.single(values[0]!))};`;
    const list = this.fresh('list');
    const stores = targets.map((one, at) => `${this.store(one, `${list}[${at}]`)};`);
    return `{const ${list} = ${this.list(values)}; ${stores.join(' ')}}`;
  }

  private store({ code, target }: Expression, value: string): string {
    if (typeof target !== 'object') return `${code} = ${value}`;
    return `$.setIndex(${target.object}, ${target.key}, ${value})`;
  }
}
