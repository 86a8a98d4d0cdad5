/**
 * Retained messages: one per topic name, in a tree by level so that a filter visits only what it
 * matches.
 */
import type { Message } from '../protocol/message.js';

class RetainedNode {
  children: Map<string, RetainedNode> | null = null;
  message: Message | null = null;
  /** Number of the change that stored the message. */
  stamp = 0;
}

export class RetainedStore {
  /** Number of messages. */
  size = 0;
  /** Payload bytes of them. */
  bytes = 0;
  /** As `size` and `bytes`, without those of `$SYS`: what limits are about. */
  clientSize = 0;
  clientBytes = 0;
  /** Number of the last change. */
  stamp = 0;
  private readonly root = new RetainedNode();

  /**
   * Stores `message`, a kept one, in place of what its topic had.
   *
   * @param isForeign it was published at another broker: no subscriber need have got it as it was
   *   published, so no `stampMax` leaves it out
   */
  set(message: Message, isForeign = false): void {
    let node = this.root;
    for (const level of message.topic.name.split('/')) {
      node.children ??= new Map();
      let child = node.children.get(level);
      if (child === undefined) {
        child = new RetainedNode();
        node.children.set(level, child);
      }
      node = child;
    }
    this.count(node.message, message);
    node.message = message;
    node.stamp = isForeign ? 0 : ++this.stamp;
  }

  get(topic: string): Message | null {
    let node: RetainedNode | undefined = this.root;
    for (const level of topic.split('/')) {
      node = node.children?.get(level);
      if (node === undefined) return null;
    }
    return node.message;
  }

  /** True when there was one. */
  delete(topic: string): boolean {
    const levels = topic.split('/');
    const path: RetainedNode[] = [this.root];
    for (const level of levels) {
      const child = path.at(-1)!.children?.get(level);
      if (child === undefined) return false;
      path.push(child);
    }
    const node = path.at(-1)!;
    if (node.message === null) return false;
    this.count(node.message, null);
    node.message = null;
    for (let depth = levels.length; depth > 0; depth--) {
      const empty = path[depth]!;
      if (empty.message !== null || empty.children !== null) break;
      const parent = path[depth - 1]!;
      parent.children!.delete(levels[depth - 1]!);
      if (parent.children!.size === 0) parent.children = null;
    }
    return true;
  }

  /**
   * All messages whose topic name matches `filter`, in no order.
   *
   * @param stampMax leaves out what was stored later
   */
  match(filter: string, stampMax: number = this.stamp): Message[] {
    const found: Message[] = [];
    const levels = filter.split('/');
    let reached: RetainedNode[] = [this.root];
    for (let index = 0; index < levels.length; index++) {
      const level = levels[index]!;
      if (level === '#') {
        collectBelow(reached, index === 0, stampMax, found);
        return found;
      }
      reached = step(reached, level, index === 0);
    }
    for (const node of reached) collect(node, stampMax, found);
    return found;
  }

  private count(before: Message | null, after: Message | null): void {
    const messages = (after === null ? 0 : 1) - (before === null ? 0 : 1);
    const bytes = (after?.payloadLength ?? 0) - (before?.payloadLength ?? 0);
    this.size += messages;
    this.bytes += bytes;
    if ((after ?? before)?.topic.name.startsWith('$SYS/')) return;
    this.clientSize += messages;
    this.clientBytes += bytes;
  }
}

function step(reached: readonly RetainedNode[], level: string, isFirst: boolean): RetainedNode[] {
  const next: RetainedNode[] = [];
  for (const node of reached) {
    if (node.children === null) continue;
    if (level !== '+') {
      const child = node.children.get(level);
      if (child !== undefined) next.push(child);
      continue;
    }
    for (const [name, child] of node.children) {
      // A wildcard at the start does not match `$…` [MQTT-4.7.2-1].
      if (!isFirst || !name.startsWith('$')) next.push(child);
    }
  }
  return next;
}

/** Everything at and below `nodes`; `a/#` matches `a` itself. Iterative: topics may be deep. */
function collectBelow(
  nodes: readonly RetainedNode[],
  isFirst: boolean,
  stampMax: number,
  found: Message[],
): void {
  const stack = [...nodes];
  let isRoot = isFirst;
  while (stack.length > 0) {
    const node = stack.pop()!;
    collect(node, stampMax, found);
    if (node.children === null) continue;
    for (const [name, child] of node.children) {
      if (!isRoot || !name.startsWith('$')) stack.push(child);
    }
    isRoot = false;
  }
}

function collect(node: RetainedNode, stampMax: number, found: Message[]): void {
  if (node.message !== null && node.stamp <= stampMax) found.push(node.message);
}
