/** Rules about the tests themselves. */
import {
  isArrowFunction,
  isCallExpression,
  isFunctionExpression,
  isIdentifier,
  isImportDeclaration,
  isImportSpecifier,
  isNewExpression,
  isPropertyAccessExpression,
  isStringLiteral,
  isVariableDeclaration,
  type Node,
} from 'typescript/unstable/ast';
import { calledName } from './language.js';
import { nodeRule, type Rule } from './rule.js';
import { isSuiteCall } from './shape.js';
import { lineOf, type Source } from './sources.js';

// The one place that may wait for a time: it polls on behalf of everybody.
const waitsForAll = 'test/support/until.ts';

/** uvu passes a file whose suite is never run, without a word. */
export const suitesAreRun: Rule = (sources) =>
  sources.flatMap((source) => {
    const ran = new Set(source.nodes.map(ranSuite));
    return suiteNames(source).flatMap(({ name, node }) =>
      ran.has(name) ? [] : [`${source.name}:${lineOf(source, node)} ${name}.run() is missing`],
    );
  });

export const nothingIsSingledOut = nodeRule((node, source) => {
  if (!isCallExpression(node) || !isPropertyAccessExpression(node.expression)) return null;
  const { expression, name } = node.expression;
  if (name.text !== 'only' || !isIdentifier(expression)) return null;
  const isSuite = suiteNames(source).some((suite) => suite.name === expression.text);
  return isSuite ? `${expression.text}.only: the other tests do not run` : null;
});

/** A time that is long enough is wrong on some machine; a condition never is. */
export const noSleeps = nodeRule((node, { name }) => {
  if (name === waitsForAll) return null;
  return isSleepImport(node) || isSleepPromise(node) ? 'a sleep: use until() or FakeClock' : null;
});

interface Suite {
  readonly name: string;
  readonly node: Node;
}

/** The variables that hold suites: `const x = suite(…)`, and uvu's own `test`. */
function suiteNames(source: Source): Suite[] {
  return source.nodes.flatMap((node): Suite[] => {
    if (isVariableDeclaration(node) && isIdentifier(node.name) && isSuiteCall(node.initializer)) {
      return [{ name: node.name.text, node }];
    }
    if (!isImportSpecifier(node) || !isImportFrom(declarationOf(node), 'uvu')) return [];
    const imported = node.propertyName ?? node.name;
    return imported.text === 'test' ? [{ name: node.name.text, node }] : [];
  });
}

function ranSuite(node: Node): string | null {
  if (!isCallExpression(node) || !isPropertyAccessExpression(node.expression)) return null;
  const { expression, name } = node.expression;
  return name.text === 'run' && isIdentifier(expression) ? expression.text : null;
}

/** `import { setTimeout … } from 'node:timers/promises'` */
function isSleepImport(node: Node): boolean {
  if (!isImportSpecifier(node)) return false;
  const isTimer = (node.propertyName ?? node.name).text === 'setTimeout';
  return isTimer && isImportFrom(declarationOf(node), 'timers/promises');
}

/** `new Promise((resolve) => setTimeout(resolve, …))`, in braces or not. */
function isSleepPromise(node: Node): boolean {
  if (!isNewExpression(node) || !isIdentifier(node.expression)) return false;
  const executor = node.arguments?.[0];
  if (node.expression.text !== 'Promise' || executor === undefined) return false;
  if (!isArrowFunction(executor) && !isFunctionExpression(executor)) return false;
  const resolve = executor.parameters[0]?.name;
  if (resolve === undefined || !isIdentifier(resolve)) return false;
  let isSleep = false;
  const visit = (inner: Node): void => {
    if (calledName(inner) === 'setTimeout' && isCallExpression(inner)) {
      isSleep ||= resolves(inner.arguments[0], resolve.text);
    }
    inner.forEachChild(visit);
  };
  visit(executor.body);
  return isSleep;
}

/** True for `resolve` itself and for `() => resolve(…)`. */
function resolves(callback: Node | undefined, resolve: string): boolean {
  if (callback === undefined) return false;
  if (isIdentifier(callback)) return callback.text === resolve;
  return isArrowFunction(callback) && calledName(callback.body) === resolve;
}

function declarationOf(specifier: Node): Node {
  return specifier.parent.parent.parent;
}

function isImportFrom(node: Node, name: string): boolean {
  if (!isImportDeclaration(node) || !isStringLiteral(node.moduleSpecifier)) return false;
  return node.moduleSpecifier.text.replace(/^node:/, '') === name;
}
