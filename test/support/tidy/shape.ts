/** Rules about size and layout: lines, columns, functions, names of files, remarks. */
import {
  isCallExpression,
  isFunctionLikeDeclaration,
  isIdentifier,
  isNoSubstitutionTemplateLiteral,
  isStringLiteral,
  isTemplateExpression,
  type Node,
} from 'typescript/unstable/ast';
import { nodeRule } from './rule.js';
import { lineAt, lineOf, type Source, type TextFile } from './sources.js';

const fileLinesMax = 400;
const functionLinesMax = 60;
const columnsMax = 100;

/** A rule that needs no syntax tree. */
export type TextRule = (files: readonly TextFile[]) => string[];

export const filesAreShort: TextRule = (files) =>
  files.flatMap(({ name, text }) => {
    const lines = text.trimEnd().split('\n').length;
    return lines > fileLinesMax ? [`${name}:${lines} has ${lines} lines`] : [];
  });

export const linesAreShort: TextRule = eachLine((line) => {
  const columns = [...line].length;
  return columns > columnsMax ? `has ${columns} columns` : null;
});

/** Work that is left open needs a place where it is not forgotten: `TODO(#12)`. */
export const openWorkNamesItsIssue: TextRule = eachLine((line) =>
  /(\/\/|^\s*\/?\*).*\b(TODO|FIXME|XXX|HACK)\b(?!.*#\d)/.test(line) ? 'names no issue' : null,
);

export const fileNamesAreKebabCase: TextRule = (files) =>
  files.flatMap(({ name }) =>
    /^([a-z0-9]+(-[a-z0-9]+)*[/.])+(ts|mjs)$/.test(name) ? [] : [`${name}:1 is not kebab-case`],
  );

/** What a test file is for, its tests say. */
export const filesHaveHeaders: TextRule = (files) =>
  files.flatMap(({ name, text }) => {
    if (name.endsWith('.test.ts') || /^(#!.*\n)?\/(\*\*|\/)/.test(text)) return [];
    return [`${name}:1 does not begin with a comment`];
  });

export const functionsAreShort = nodeRule((node, source) => {
  if (!isFunctionLikeDeclaration(node) || node.body === undefined) return null;
  const inTests = source.name.startsWith('test/') ? linesOfTests(node.body, source) : 0;
  const lines = linesOf(node, source) - inTests;
  return lines > functionLinesMax ? `a function of ${lines} lines` : null;
});

/**
 * The lines of `test('…', () => …)` calls below a node. A contract is a function full of them:
 * each test is held to the limit, and so is what is left of the contract.
 */
function linesOfTests(node: Node, source: Source): number {
  let lines = 0;
  const visit = (inner: Node): void => {
    if (isTestCall(inner)) lines += linesOf(inner, source);
    else inner.forEachChild(visit);
  };
  visit(node);
  return lines;
}

function isTestCall(node: Node): boolean {
  if (!isCallExpression(node)) return false;
  const [name, ...rest] = node.arguments;
  const isNamed = name !== undefined && (isStringLiteral(name) || isTemplate(name));
  return isNamed && rest.some((argument) => isFunctionLikeDeclaration(argument));
}

function isTemplate(node: Node): boolean {
  return isNoSubstitutionTemplateLiteral(node) || isTemplateExpression(node);
}

function linesOf(node: Node, source: Source): number {
  return lineAt(source, node.end) - lineOf(source, node) + 1;
}

/** True for `suite('…')`. */
export function isSuiteCall(node: Node | undefined): boolean {
  if (node === undefined || !isCallExpression(node)) return false;
  return isIdentifier(node.expression) && node.expression.text === 'suite';
}

function eachLine(check: (line: string) => string | null): TextRule {
  return (files) =>
    files.flatMap(({ name, text }) =>
      text.split('\n').flatMap((line, index) => {
        const what = check(line);
        return what === null ? [] : [`${name}:${index + 1} ${what}`];
      }),
    );
}

/** For rules that concern one part of the tree. */
export function below(files: readonly Source[], folder: string): Source[] {
  return files.filter(({ name }) => name.startsWith(`${folder}/`));
}
