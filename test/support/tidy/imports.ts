/** The rules of STYLE.md's section "Tree": who may import what. */
import { posix } from 'node:path';
import {
  isCallExpression,
  isExportDeclaration,
  isImportDeclaration,
  isImportTypeNode,
  isLiteralTypeNode,
  isStringLiteral,
  type Node,
  SyntaxKind,
} from 'typescript/unstable/ast';
import type { Rule } from './rule.js';
import { lineOf, type Source } from './sources.js';

/** Folders of src from left to right; a file imports from its own folder and from further left. */
const layers: readonly (readonly string[])[] = [
  ['src/base'],
  ['src/config'],
  ['src/protocol'],
  ['src/store'],
  ['src/broker'],
  [
    'src/store/memory',
    'src/store/disk',
    'src/store/redis',
    'src/cluster',
    'src/listen',
    'src/access',
    'src/ops',
    'src/bridge',
    'src/history',
  ],
  ['src'],
];

/** The only folder that may name a package. */
const homes: Readonly<Record<string, string>> = {
  'mqtt-packet': 'src/protocol',
  ioredis: 'src/store/redis',
  lmdb: 'src/store/disk',
  ws: 'src/listen',
  pino: 'src/ops',
  mqtt: 'src/bridge',
};

interface Import {
  readonly source: Source;
  readonly line: number;
  readonly specifier: string;
  /** The imported file's name from the root; null for a package. */
  readonly target: string | null;
  /** Nothing of it is left after compilation. */
  readonly isTypeOnly: boolean;
}

export const importsPointLeft: Rule = (sources) =>
  importsOf(sources, 'src/').flatMap(({ source, line, target }) => {
    if (target === null) return [];
    const from = layerOf(source.name);
    const to = layerOf(target);
    if (to !== null && from !== null) {
      const isAllowed = to.folder === from.folder || to.rank < from.rank;
      if (isAllowed) return [];
    }
    const folder = from?.folder ?? 'a folder without a layer';
    return [`${source.name}:${line} ${folder} must not import ${target}`];
  });

export const packagesStayHome: Rule = (sources) =>
  importsOf(sources, 'src/').flatMap(({ source, line, specifier, target }) => {
    if (target !== null || specifier.startsWith('node:')) return [];
    const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
    const home = homes[name];
    if (home !== undefined && source.name.startsWith(`${home}/`)) return [];
    return [`${source.name}:${line} ${name} belongs to ${home ?? 'no folder of src'}`];
  });

/**
 * Only what is left of an import at run time counts: there, what a module of a cycle sees depends
 * on which one is loaded first. Types that name each other do no harm.
 */
export const noImportCycles: Rule = (sources) => {
  const targets = new Map<string, string[]>();
  for (const { source, target, isTypeOnly } of importsOf(sources, 'src/')) {
    if (target === null || isTypeOnly) continue;
    targets.set(source.name, [...(targets.get(source.name) ?? []), target]);
  }
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    const start = path.indexOf(name);
    if (start >= 0)
      found.push(`${name}:1 import cycle: ${[...path.slice(start), name].join(' → ')}`);
    if (start >= 0 || done.has(name)) return;
    for (const target of targets.get(name) ?? []) visit(target, [...path, name]);
    done.add(name);
  };
  for (const name of targets.keys()) visit(name, []);
  return found;
};

/** A file of nothing but re-exports hides where things are; only the public API is one. */
export const noBarrels: Rule = (sources) =>
  sources.flatMap(({ name, tree }) => {
    if (name === 'src/index.ts' || tree.statements.length === 0) return [];
    const isBarrel = tree.statements.every(
      (statement) => isExportDeclaration(statement) && statement.moduleSpecifier !== undefined,
    );
    return isBarrel ? [`${name}:1 is a barrel file: import from where things are`] : [];
  });

function layerOf(name: string): { readonly folder: string; readonly rank: number } | null {
  let best: { folder: string; rank: number } | null = null;
  layers.forEach((folders, rank) => {
    for (const folder of folders) {
      // Only files directly in src, such as broker.ts, are of the last layer.
      const isIn = folder === 'src' ? posix.dirname(name) === 'src' : name.startsWith(`${folder}/`);
      if (isIn && folder.length > (best?.folder.length ?? 0)) best = { folder, rank };
    }
  });
  return best;
}

function importsOf(sources: readonly Source[], prefix: string): Import[] {
  return sources
    .filter(({ name }) => name.startsWith(prefix))
    .flatMap((source) =>
      source.nodes.flatMap((node) => {
        const specifier = specifierOf(node);
        if (specifier === null) return [];
        const target = resolve(source.name, specifier);
        const isTypeOnly = isErased(node);
        return [{ source, line: lineOf(source, node), specifier, target, isTypeOnly }];
      }),
    );
}

/** The quoted name in an import, a re-export, an import type or a dynamic import. */
function specifierOf(node: Node): string | null {
  let quoted: Node | undefined;
  if (isImportDeclaration(node) || isExportDeclaration(node)) quoted = node.moduleSpecifier;
  if (isImportTypeNode(node) && isLiteralTypeNode(node.argument)) quoted = node.argument.literal;
  if (isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword) {
    quoted = node.arguments[0];
  }
  return quoted !== undefined && isStringLiteral(quoted) ? quoted.text : null;
}

function isErased(node: Node): boolean {
  if (isImportDeclaration(node)) {
    return node.importClause?.phaseModifier === SyntaxKind.TypeKeyword;
  }
  return isImportTypeNode(node) || (isExportDeclaration(node) && node.isTypeOnly);
}

function resolve(from: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null;
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}
