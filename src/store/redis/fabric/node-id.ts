/**
 * How a broker is called in one of its lives: `<node_name>~<writer>`. The writer is drawn anew by
 * each process, and after a broker was taken for dead; so the name never comes back.
 */
const WRITER_LENGTH = 8;

export function nodeIdOf(nodeName: string, writer: Buffer): string {
  return `${nodeName}~${writer}`;
}

/** The last eight characters. */
export function writerOf(node: string): string {
  return node.slice(-WRITER_LENGTH);
}

/** What the operator calls it. */
export function nameOf(node: string): string {
  return node.slice(0, -WRITER_LENGTH - 1);
}
