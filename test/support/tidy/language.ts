/** Rules about the parts of the language and its library that we do without. */
import {
  isCallExpression,
  isCatchClause,
  isEnumDeclaration,
  isExportAssignment,
  isIdentifier,
  isNewExpression,
  isPropertyAccessExpression,
  type Node,
  SyntaxKind,
} from 'typescript/unstable/ast';
import { nodeRule } from './rule.js';

export const noEnums = nodeRule((node) =>
  isEnumDeclaration(node) ? 'an enum: use an `as const` object' : null,
);

export const noDefaultExports = nodeRule((node) =>
  isExportAssignment(node) || node.kind === SyntaxKind.DefaultKeyword ? 'a default export' : null,
);

export const noAny = nodeRule((node) =>
  node.kind === SyntaxKind.AnyKeyword ? '`any`: use `unknown` or the real type' : null,
);

export const noEmptyCatches = nodeRule((node) =>
  isCatchClause(node) && node.block.statements.length === 0 ? 'an empty catch' : null,
);

/** Standard output belongs to commands: the broker's executable and files `*-command.ts`. */
export const noConsole = nodeRule((node, { name }) => {
  if (name === 'src/broker.ts' || name.endsWith('-command.ts')) return null;
  return isMember(node, 'console') ? '`console`: use the log port' : null;
});

/** Code that decides is handed its clock and its randomness, so that it replays exactly. */
export const noHiddenInputs = nodeRule((node, { name }) => {
  if (name.startsWith('src/base/')) return null;
  if (isMember(node, 'Date', 'now')) return '`Date.now()`: take a Clock';
  if (isMember(node, 'Math', 'random')) return '`Math.random()`: take a Prng';
  const isNow =
    isNewExpression(node) &&
    isIdentifier(node.expression) &&
    node.expression.text === 'Date' &&
    (node.arguments?.length ?? 0) === 0;
  return isNow ? '`new Date()` without a time: take a Clock' : null;
});

/** True for `object.member`, called or not; for any member when none is given. */
export function isMember(node: Node, object: string, member?: string): boolean {
  if (!isPropertyAccessExpression(node) || !isIdentifier(node.expression)) return false;
  if (node.expression.text !== object) return false;
  return member === undefined || node.name.text === member;
}

/** The name that is called in `name(…)`; null for anything else. */
export function calledName(node: Node): string | null {
  if (!isCallExpression(node) || !isIdentifier(node.expression)) return null;
  return node.expression.text;
}
