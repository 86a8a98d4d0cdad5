/** Where the messages of one topic go: the answer of the subscription index, remembered. */
import type { SharedGroup } from './shared-group.js';
import type { Subscription } from './subscription.js';

export class Route {
  /** One entry per delivery, at most one per session when deliveries are merged. */
  readonly targets: readonly Subscription[];
  readonly groups: readonly SharedGroup[];

  constructor(targets: readonly Subscription[], groups: readonly SharedGroup[]) {
    this.targets = targets;
    this.groups = groups;
  }
}
