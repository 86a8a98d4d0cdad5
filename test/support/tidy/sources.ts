/**
 * The project's sources as text and as syntax trees, read by the compiler that also builds them.
 * TypeScript's API is marked unstable, so nothing but test/support/tidy uses it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { Node, SourceFile } from 'typescript/unstable/ast';
import { createVirtualFileSystem } from 'typescript/unstable/fs';
import { API } from 'typescript/unstable/sync';

const config = 'tsconfig.test.json';

/** A file that is only looked at as text. */
export interface TextFile {
  /** Path from the project's root, with slashes. */
  readonly name: string;
  readonly text: string;
}

export interface Source extends TextFile {
  readonly tree: SourceFile;
  /** Every node of the tree, parents first. */
  readonly nodes: readonly Node[];
}

/** All files that tsconfig.test.json names. */
export function readSources(root: string): Source[] {
  return parse(root, new API({ cwd: root }));
}

/** Sources that exist only in memory, by their names; for the tests of the rules. */
export function parseSources(files: Readonly<Record<string, string>>): Source[] {
  const root = '/project';
  const options = { noLib: true, noResolve: true, types: [], module: 'nodenext' };
  const all: Record<string, string> = {
    [`${root}/${config}`]: JSON.stringify({ compilerOptions: options }),
  };
  for (const [name, text] of Object.entries(files)) all[`${root}/${name}`] = text;
  return parse(root, new API({ cwd: root, fs: createVirtualFileSystem(all) }));
}

/** The files directly in a folder whose names end in `extension`, as text. */
export function readTexts(root: string, folder: string, extension: string): TextFile[] {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith(extension));
  return names.map((name) => {
    return { name: `${folder}/${name}`, text: readFileSync(join(root, folder, name), 'utf8') };
  });
}

/** The line number, from 1, of an offset in a file. */
export function lineAt(source: Source, offset: number): number {
  return source.tree.getLineAndCharacterOfPosition(offset).line + 1;
}

/** The line number, from 1, on which a node begins, its comments left out. */
export function lineOf(source: Source, node: Node): number {
  return lineAt(source, node.getStart(source.tree));
}

function parse(root: string, api: API): Source[] {
  try {
    const path = join(root, config);
    const project = api.updateSnapshot({ openProjects: [path] }).getProject(path);
    if (project === undefined) throw new Error(`${path} cannot be read`);
    return project.rootFiles.map((file) => {
      const tree = project.program.getSourceFile(file);
      if (tree === undefined) throw new Error(`${file} cannot be parsed`);
      const name = relative(root, file).split(sep).join('/');
      return { name, text: tree.text, tree, nodes: nodesOf(tree) };
    });
  } finally {
    api.close();
  }
}

function nodesOf(tree: SourceFile): Node[] {
  const nodes: Node[] = [];
  const visit = (node: Node): void => {
    nodes.push(node);
    node.forEachChild(visit);
  };
  visit(tree);
  return nodes;
}
