/**
 * Sessions in whose queues this broker put something without a word to the broker that has them,
 * since it does not know that one: it was cut off or asleep, others came meanwhile, and what it
 * had begun before took effect late. When it knows them it tells; else their clients would wait
 * until somebody looks by himself.
 */
import { UNTOLD_MAX } from '../tuning.js';

export class Untold {
  /** Client identifier → the broker that has it; the one that was noted first is the first. */
  private readonly nodes = new Map<string, string>();

  note(node: string, clientId: string): void {
    this.nodes.delete(clientId);
    this.nodes.set(clientId, node);
    if (this.nodes.size <= UNTOLD_MAX) return;
    const [first] = this.nodes.keys();
    this.nodes.delete(first!);
  }

  /** The clients of a broker that is known from now on. */
  takeOf(node: string): string[] {
    const clientIds: string[] = [];
    for (const [clientId, at] of this.nodes) if (at === node) clientIds.push(clientId);
    for (const clientId of clientIds) this.nodes.delete(clientId);
    return clientIds;
  }
}
