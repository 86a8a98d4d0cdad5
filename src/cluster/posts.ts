/**
 * What one broker of a cluster does for all, such as a bridge: all live brokers agree on which one
 * without a word, and another one takes over when that is gone. For the moment in which two of
 * them see different clusters, both may: what they do must stand that, as sessions do.
 */
import type { Clock } from '../base/clock.js';
import type { Fabric } from '../store/fabric.js';

export interface PostHolder {
  onGranted(): void;
  /** Another broker may have it from now on. */
  onLost(): void;
}

interface Post {
  readonly name: string;
  readonly holder: PostHolder;
  isHeld: boolean;
}

export class Posts {
  private readonly fabric: Fabric;
  private readonly clock: Clock;
  private readonly posts = new Set<Post>();

  constructor(fabric: Fabric, clock: Clock) {
    this.fabric = fabric;
    this.clock = clock;
  }

  /** @returns gives it up; `onLost` is not called then */
  acquire(name: string, holder: PostHolder): () => void {
    const post: Post = { name, holder, isHeld: false };
    this.posts.add(post);
    this.look(post);
    return () => this.posts.delete(post);
  }

  /** Several times a second. */
  tick(): void {
    for (const post of this.posts) this.look(post);
  }

  private look(post: Post): void {
    const { fabric } = this;
    // One that is alone when it loses sight of the store is in nobody's way.
    const isSure = fabric.peers.size === 0 || this.clock.nowMs() <= fabric.freshUntilMs;
    const isMine = isSure && fabric.isMine(post.name);
    if (isMine === post.isHeld) return;
    post.isHeld = isMine;
    if (isMine) post.holder.onGranted();
    else post.holder.onLost();
  }
}
