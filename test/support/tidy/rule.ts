/** What a rule of the style guide is, and how its violations read. */
import type { Node } from 'typescript/unstable/ast';
import { lineOf, type Source } from './sources.js';

/** `file:line what`, one per violation. */
export type Rule = (sources: readonly Source[]) => string[];

/** A rule that looks at one node at a time; `check` returns what is wrong with it, or null. */
export function nodeRule(check: (node: Node, source: Source) => string | null): Rule {
  return (sources) =>
    sources.flatMap((source) =>
      source.nodes.flatMap((node) => {
        const what = check(node, source);
        return what === null ? [] : [`${source.name}:${lineOf(source, node)} ${what}`];
      }),
    );
}
