/**
 * A store whose code, with all that it takes, is loaded when it is opened: a program makes its
 * broker at once, and waits only for `open`.
 */
import { assert } from './base/assert.js';
import type { Clock } from './base/clock.js';
import type { Log } from './base/log.js';
import type { StoreConfig } from './config/config.js';
import { LazyFabric } from './lazy-fabric.js';
import { storeMaker } from './make-store.js';
import type { Fabric, FabricObserver } from './store/fabric.js';
import type {
  Batch,
  Claim,
  ClaimRequest,
  QueueRead,
  Store,
  StoreFigures,
  StoreLoader,
  StoreObserver,
} from './store/store.js';

export class LazyStore implements Store {
  readonly kind: Store['kind'];
  readonly isAtomic: boolean;
  readonly fabric: Fabric | null;
  /** A program's broker keeps none. */
  readonly history = null;
  private inner: Store | null = null;
  private readonly config: StoreConfig;
  private readonly clock: Clock;
  private readonly log: Log;

  constructor(config: StoreConfig, clock: Clock, log: Log) {
    this.kind = config.kind;
    this.isAtomic = config.kind !== 'redis';
    this.fabric = config.kind === 'redis' ? new LazyFabric(() => this.opened().fabric!) : null;
    this.config = config;
    this.clock = clock;
    this.log = log;
  }

  async open(
    loader: StoreLoader,
    observer: StoreObserver,
    fabricObserver?: FabricObserver,
  ): Promise<void> {
    const make = await storeMaker(this.config);
    assert(make !== null, 'what lives in memory has no store');
    const inner = make(this.clock, this.log);
    assert(inner.isAtomic === this.isAtomic, 'the store is as it was said to be');
    this.inner = inner;
    await inner.open(loader, observer, fabricObserver);
  }

  wallMs(): number {
    return (this.inner ?? this.clock).wallMs();
  }

  claim(request: ClaimRequest, isWanted?: () => boolean): Promise<Claim> {
    return this.opened().claim(request, isWanted);
  }

  leave(clientId: string): void {
    this.opened().leave(clientId);
  }

  write(batch: Batch): void {
    this.opened().write(batch);
  }

  read(clientId: string, fromSeq: number, bytesMax: number): Promise<QueueRead> {
    return this.opened().read(clientId, fromSeq, bytesMax);
  }

  figures(): StoreFigures {
    return this.inner?.figures() ?? {};
  }

  close(): Promise<void> {
    return this.opened().close();
  }

  private opened(): Store {
    assert(this.inner !== null, 'the store is open');
    return this.inner;
  }
}
