/** Where the messages of one topic go: the answer of the subscription index, remembered. */
import type { SharedGroup } from './shared-group.js';
import type { Subscription } from './subscription.js';

export class Route {
  /** One entry per delivery, at most one per session when deliveries are merged. */
  readonly targets: readonly Subscription[];
  readonly groups: readonly SharedGroup[];
  /** Other brokers that deliver messages of QoS 0 to subscribers of theirs. */
  readonly nodes: readonly string[];
  /** As `nodes`, messages of QoS 1 and 2: durable sessions get these through their queues. */
  readonly nodesAcknowledged: readonly string[];

  constructor(
    targets: readonly Subscription[],
    groups: readonly SharedGroup[],
    nodes: readonly string[],
    nodesAcknowledged: readonly string[],
  ) {
    this.targets = targets;
    this.groups = groups;
    this.nodes = nodes;
    this.nodesAcknowledged = nodesAcknowledged;
  }
}
