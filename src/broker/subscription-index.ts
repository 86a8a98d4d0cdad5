/**
 * Topic → subscriptions. Filters without wildcards, nearly all of them in practice, lie in one
 * hash map; the others in a tree by level.
 *
 *     a/+/c and a/#:      root ─a─▶ node(hashLeaf: a/#) ─+─▶ node ─c─▶ node(leaf: a/+/c)
 *
 * A match walks the tree level by level with the set of nodes reached so far, so its cost is
 * bounded by the nodes that match, not by the levels of the topic: it ends when the set is empty.
 */
import { LargeMap } from '../base/large-map.js';
import type { Session } from './session.js';
import { SharedGroup } from './shared-group.js';
import type { Subscription } from './subscription.js';

/** What a match finds. Filled by `match`, reused by its caller. */
export class MatchResult {
  readonly subscriptions: Subscription[] = [];
  readonly groups: SharedGroup[] = [];
  /** Other brokers → who subscribes there, bits of `RouteKind`. */
  readonly nodes = new Map<string, number>();

  clear(): void {
    this.subscriptions.length = 0;
    this.groups.length = 0;
    if (this.nodes.size > 0) this.nodes.clear();
  }
}

/** Several subscribers of one filter. A lone subscriber stands for itself. */
class Subscribers {
  readonly bySession = new Map<Session, Subscription>();
  groups: Map<string, SharedGroup> | null = null;
  /** Other brokers with subscribers of their own. */
  nodes: Map<string, number> | null = null;
}

type Leaf = Subscription | Subscribers;

class TreeNode {
  /** Most nodes have one child: it is kept inline, and the map is made for the second. */
  onlyKey: string | null = null;
  onlyChild: TreeNode | null = null;
  children: Map<string, TreeNode> | null = null;
  plus: TreeNode | null = null;
  /** Subscribers of the filter that ends here. */
  leaf: Leaf | null = null;
  /** Subscribers of this path followed by `/#`. */
  hashLeaf: Leaf | null = null;

  child(level: string): TreeNode | null {
    if (this.onlyKey === level) return this.onlyChild;
    return this.children === null ? null : (this.children.get(level) ?? null);
  }

  addChild(level: string): TreeNode {
    const child = new TreeNode();
    if (this.onlyKey === null && this.children === null) {
      this.onlyKey = level;
      this.onlyChild = child;
      return child;
    }
    if (this.children === null) {
      this.children = new Map([[this.onlyKey!, this.onlyChild!]]);
      this.onlyKey = null;
      this.onlyChild = null;
    }
    this.children.set(level, child);
    return child;
  }

  removeChild(level: string): void {
    if (this.onlyKey === level) {
      this.onlyKey = null;
      this.onlyChild = null;
      return;
    }
    this.children?.delete(level);
    if (this.children?.size === 0) this.children = null;
  }

  get isEmpty(): boolean {
    return (
      this.leaf === null &&
      this.hashLeaf === null &&
      this.plus === null &&
      this.onlyKey === null &&
      this.children === null
    );
  }
}

export class SubscriptionIndex {
  /** Goes up with every change: what was derived from a match is stale when it differs. */
  version = 0;
  /** Number of subscriptions, shared ones included. */
  size = 0;
  /** Shared ones among them. */
  sharedSize = 0;
  private readonly exact = new LargeMap<Leaf>();
  private readonly root = new TreeNode();
  private reached: TreeNode[] = [];
  private next: TreeNode[] = [];

  /** Adds a subscription, or replaces the session's earlier one to the same filter. */
  add(filter: string, subscription: Subscription): void {
    this.version++;
    this.update(filter, (leaf) => this.withSubscription(leaf, subscription));
  }

  remove(filter: string, session: Session): void {
    this.version++;
    this.update(filter, (leaf) => this.withoutSession(leaf, session));
  }

  /** The group of a shared subscription, made when it is not there. */
  group(filter: string, shareName: string): SharedGroup {
    let group: SharedGroup | null = null;
    this.update(filter, (leaf) => {
      const subscribers = asSubscribers(leaf);
      subscribers.groups ??= new Map();
      group = subscribers.groups.get(shareName) ?? new SharedGroup(shareName, filter);
      subscribers.groups.set(shareName, group);
      return subscribers;
    });
    return group!;
  }

  /** The group of a shared subscription; null when it has no members. */
  findGroup(filter: string, shareName: string): SharedGroup | null {
    let group: SharedGroup | null = null;
    this.update(filter, (leaf) => {
      if (leaf instanceof Subscribers) group = leaf.groups?.get(shareName) ?? null;
      return leaf;
    });
    return group;
  }

  /** Says who subscribes to a filter at another broker. @param kinds 0: nobody */
  setNode(filter: string, node: string, kinds: number): void {
    this.version++;
    this.update(filter, (leaf) => {
      if (kinds === 0 && !(leaf instanceof Subscribers)) return leaf;
      const subscribers = asSubscribers(leaf);
      if (kinds > 0) {
        subscribers.nodes ??= new Map();
        subscribers.nodes.set(node, kinds);
      } else if (subscribers.nodes?.delete(node) && subscribers.nodes.size === 0) {
        subscribers.nodes = null;
      }
      return simplified(subscribers);
    });
  }

  addShared(group: SharedGroup, subscription: Subscription): void {
    this.version++;
    const before = group.size;
    group.add(subscription);
    this.size += group.size - before;
    this.sharedSize += group.size - before;
  }

  removeShared(group: SharedGroup, session: Session): void {
    this.version++;
    const before = group.size;
    group.remove(session);
    this.size += group.size - before;
    this.sharedSize += group.size - before;
    if (group.size > 0) return;
    this.update(group.filter, (leaf) => {
      const subscribers = asSubscribers(leaf);
      subscribers.groups?.delete(group.shareName);
      if (subscribers.groups?.size === 0) subscribers.groups = null;
      return simplified(subscribers);
    });
  }

  /** Appends to `result` whatever matches the topic name [MQTT-4.7.1-1] [MQTT-4.7.2-1]. */
  match(topic: string, result: MatchResult): void {
    const exact = this.exact.get(topic);
    if (exact !== undefined) collect(exact, result);
    if (this.root.isEmpty) return;
    const isDollar = topic.startsWith('$');
    if (!isDollar) collect(this.root.hashLeaf, result);
    this.reached.length = 0;
    this.reached.push(this.root);
    let start = 0;
    while (this.reached.length > 0) {
      const slash = topic.indexOf('/', start);
      const level = slash < 0 ? topic.slice(start) : topic.slice(start, slash);
      this.step(level, isDollar && start === 0, result);
      if (slash < 0) break;
      start = slash + 1;
    }
    for (const node of this.reached) collect(node.leaf, result);
    this.reached.length = 0;
  }

  private step(level: string, withoutPlus: boolean, result: MatchResult): void {
    const next = this.next;
    next.length = 0;
    for (const node of this.reached) {
      const child = node.child(level);
      if (child !== null) next.push(child);
      if (node.plus !== null && !withoutPlus) next.push(node.plus);
    }
    for (const node of next) collect(node.hashLeaf, result);
    this.next = this.reached;
    this.reached = next;
  }

  private update(filter: string, change: (leaf: Leaf | null) => Leaf | null): void {
    if (!filter.includes('+') && !filter.includes('#')) {
      const leaf = change(this.exact.get(filter) ?? null);
      if (leaf === null) this.exact.delete(filter);
      else this.exact.set(filter, leaf);
      return;
    }
    this.updateTree(filter.split('/'), change);
  }

  private updateTree(levels: string[], change: (leaf: Leaf | null) => Leaf | null): void {
    const path: TreeNode[] = [this.root];
    let node = this.root;
    const isHash = levels.at(-1) === '#';
    if (isHash) levels.pop();
    for (const level of levels) {
      if (level === '+') {
        node.plus ??= new TreeNode();
        node = node.plus;
      } else {
        node = node.child(level) ?? node.addChild(level);
      }
      path.push(node);
    }
    if (isHash) node.hashLeaf = change(node.hashLeaf);
    else node.leaf = change(node.leaf);
    for (let depth = levels.length; depth > 0 && path[depth]!.isEmpty; depth--) {
      const parent = path[depth - 1]!;
      const level = levels[depth - 1]!;
      if (level === '+') parent.plus = null;
      else parent.removeChild(level);
    }
  }

  private withSubscription(leaf: Leaf | null, subscription: Subscription): Leaf {
    if (leaf === null) {
      this.size++;
      return subscription;
    }
    if (!(leaf instanceof Subscribers) && leaf.session === subscription.session) {
      return subscription;
    }
    const subscribers = asSubscribers(leaf);
    if (!subscribers.bySession.has(subscription.session)) this.size++;
    subscribers.bySession.set(subscription.session, subscription);
    return subscribers;
  }

  private withoutSession(leaf: Leaf | null, session: Session): Leaf | null {
    if (leaf === null) return null;
    if (!(leaf instanceof Subscribers)) {
      if (leaf.session !== session) return leaf;
      this.size--;
      return null;
    }
    if (leaf.bySession.delete(session)) this.size--;
    return simplified(leaf);
  }
}

function asSubscribers(leaf: Leaf | null): Subscribers {
  if (leaf instanceof Subscribers) return leaf;
  const subscribers = new Subscribers();
  if (leaf !== null) subscribers.bySession.set(leaf.session, leaf);
  return subscribers;
}

function simplified(subscribers: Subscribers): Leaf | null {
  const { bySession, groups, nodes } = subscribers;
  return bySession.size === 0 && groups === null && nodes === null ? null : subscribers;
}

function collect(leaf: Leaf | null, result: MatchResult): void {
  if (leaf === null) return;
  if (!(leaf instanceof Subscribers)) {
    result.subscriptions.push(leaf);
    return;
  }
  for (const subscription of leaf.bySession.values()) result.subscriptions.push(subscription);
  if (leaf.groups !== null) for (const group of leaf.groups.values()) result.groups.push(group);
  if (leaf.nodes === null) return;
  for (const [node, kinds] of leaf.nodes) {
    result.nodes.set(node, (result.nodes.get(node) ?? 0) | kinds);
  }
}
