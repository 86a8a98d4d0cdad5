/** How this broker is called: anew each time it was taken for dead. */
import { LIVES_MAX } from '../tuning.js';
import type { FabricHome } from './fabric-home.js';
import { nameOf, nodeIdOf, writerOf } from './node-id.js';

export class Lives {
  node: string;
  /** Counts them, from 0. */
  count = 0;
  /** Calls before this one were made in an earlier life. */
  firstCall = 0;
  private readonly home: FabricHome;
  /** Of this process; the last ones. */
  private readonly writers: Set<string>;

  constructor(home: FabricHome) {
    this.home = home;
    this.node = nodeIdOf(home.options.nodeName, home.writer);
    this.writers = new Set([String(home.writer)]);
  }

  renew(): void {
    const { home, writers } = this;
    this.count++;
    home.renewWriter();
    this.firstCall = home.nextCall();
    this.node = nodeIdOf(home.options.nodeName, home.writer);
    writers.add(String(home.writer));
    if (writers.size <= LIVES_MAX) return;
    const [first] = writers;
    writers.delete(first!);
  }

  isOwnWriter(writer: string): boolean {
    return this.writers.has(writer);
  }

  isOwnNode(node: string): boolean {
    return nameOf(node) === this.home.options.nodeName && this.writers.has(writerOf(node));
  }
}
