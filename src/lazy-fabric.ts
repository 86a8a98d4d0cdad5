/** The fabric of a store that is loaded when it is opened: nobody asks it anything before that. */
import type { Fabric, Pledge, Pledged, SharedMark } from './store/fabric.js';
import type { StoredSubscription } from './store/store.js';

export class LazyFabric implements Fabric {
  private readonly inner: () => Fabric;

  /** @param inner to be called once the store is open */
  constructor(inner: () => Fabric) {
    this.inner = inner;
  }

  get node(): string {
    return this.inner().node;
  }

  get peers(): ReadonlySet<string> {
    return this.inner().peers;
  }

  get freshUntilMs(): number {
    return this.inner().freshUntilMs;
  }

  isMine(name: string): boolean {
    return this.inner().isMine(name);
  }

  birthOf(clientId: string): number {
    return this.inner().birthOf(clientId);
  }

  publish(node: string, record: Buffer, mark: SharedMark | null, onDone: () => void): void {
    this.inner().publish(node, record, mark, onDone);
  }

  publishTo(
    node: string,
    clientId: string,
    record: Buffer,
    mark: SharedMark | null,
    onDone: (isThere: boolean) => void,
  ): void {
    this.inner().publishTo(node, clientId, record, mark, onDone);
  }

  pledge(pledged: Pledged): Pledge {
    return this.inner().pledge(pledged);
  }

  setRoute(filter: string, kinds: number, onDone: () => void): void {
    this.inner().setRoute(filter, kinds, onDone);
  }

  addMember(clientId: string, subscription: StoredSubscription, onDone: () => void): void {
    this.inner().addMember(clientId, subscription, onDone);
  }

  removeMember(clientId: string, filter: string): void {
    this.inner().removeMember(clientId, filter);
  }

  catchUp(onDone: () => void): void {
    this.inner().catchUp(onDone);
  }

  hear(): Promise<void> | null {
    return this.inner().hear();
  }

  adopt(clientId: string, epoch: number): Promise<number> {
    return this.inner().adopt(clientId, epoch);
  }
}
