/** Rules about size and layout: lines, columns, functions, names of files, remarks. */
import {
  type Block,
  isCallExpression,
  isFunctionLikeDeclaration,
  isIdentifier,
  isVariableStatement,
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

export const filesHaveHeaders: TextRule = (files) =>
  files.flatMap(({ name, text }) =>
    /^(#!.*\n)?\/(\*\*|\/)/.test(text) ? [] : [`${name}:1 does not begin with a comment`],
  );

export const functionsAreShort = nodeRule((node, source) => {
  if (!isFunctionLikeDeclaration(node) || node.body === undefined) return null;
  if (definesSuite(node.body)) return null;
  const lines = lineAt(source, node.end) - lineOf(source, node) + 1;
  return lines > functionLinesMax ? `a function of ${lines} lines` : null;
});

/** A function around `suite(…)`, such as a contract, is a file of tests, not one thing. */
function definesSuite(body: Node): boolean {
  const statements = (body as Partial<Block>).statements ?? [];
  return statements.some(
    (statement) =>
      isVariableStatement(statement) &&
      statement.declarationList.declarations.some(({ initializer }) => isSuiteCall(initializer)),
  );
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
