/** How each fault of a run with several brokers is brought about. */
import { pass } from '../pass.js';
import type { ClusterRun } from './cluster-run.js';
import type { ClusterFault } from './cluster-schedule.js';
import { leaseSeconds, type Machine } from './machines.js';

const leaseMs = leaseSeconds * 1_000;
/** A stop that nobody takes for a death: less than the lease, with room for a busy machine. */
const shortStopMs = leaseMs / 2;
/** So much longer than the lease a long stop is, at least and at most. */
const beyondLeaseMs = 1_000;
const fightEveryMs = 25;
const fightersMax = 3;

export class Injector {
  private readonly run: ClusterRun;

  constructor(run: ClusterRun) {
    this.run = run;
  }

  /** Resolves when the next fault may come; this one may still go on. */
  async inject(fault: ClusterFault): Promise<void> {
    const { crowd, machines, store } = this.run;
    switch (fault.kind) {
      case 'kill':
      case 'kill at start':
        return this.onOne(fault, (machine) => this.kill(machine, fault));
      case 'stop':
      case 'long stop':
        return this.onOne(fault, (machine) => this.pause(machine, fault));
      case 'partition':
        return this.onOne(fault, (machine) => this.part(machine, fault));
      case 'rolling restart':
        await machines.untilWhole();
        this.disturb(fault, '');
        return this.roll();
      case 'cut':
        this.run.note(fault, '');
        crowd.mourners.cutOne(fault.pick);
        for (const client of crowd.hitBy(fault)) {
          client.cutAfter(fault.bytes, fault.isUp, fault.isHard);
        }
        return;
      case 'takeover':
        this.run.note(fault, '');
        for (const client of crowd.hitBy(fault)) client.takeOver();
        return;
      case 'fight':
        this.run.note(fault, '');
        return this.fight(fault);
      case 'away':
        this.run.note(fault, '');
        return crowd.oneOf(fault).goAway(fault.forMs);
      case 'kill primary':
      case 'stop primary':
        await store.untilWhole();
        this.disturb(fault, '');
        return store.inject(fault);
      case 'reshard':
        await store.untilWhole();
        this.disturb(fault, '');
        return store.reshard(fault.pick);
    }
  }

  /**
   * Lets something happen to one broker while the run goes on; one is always left alone. Every
   * second kill waits until nothing else is broken, nor recovers: then it is known how long clients
   * take that have nothing else to wait for.
   */
  private async onOne(
    fault: ClusterFault,
    happen: (machine: Machine) => Promise<void>,
  ): Promise<void> {
    const { crowd, machines, timeline } = this.run;
    const isAlone = isAloneIn(fault);
    if (isAlone) await this.untilRecovered();
    const machine = await machines.take(fault.pick, isAlone ? 1 : machines.all.length - 1);
    this.disturb(fault, ` of ${machine.index}`);
    machines.run(machine, async () => {
      await happen(machine);
      timeline.remark(`end of ${fault.kind} of ${machine.index}`, crowd.ledger.nowMs);
    });
  }

  private async untilRecovered(): Promise<void> {
    const { machines, store } = this.run;
    await machines.untilWhole();
    await store.untilWhole();
    await machines.untilServing();
  }

  private disturb(fault: ClusterFault, what: string): void {
    this.run.meter.onDisturbance();
    this.run.note(fault, what);
  }

  /** The new start comes at once, or later, perhaps when others have noticed the death. */
  private async kill(machine: Machine, fault: ClusterFault): Promise<void> {
    const { broker } = machine;
    const { crowd, meter } = this.run;
    const here = crowd.durable.filter((one) => one.isConnected && one.port === broker.port);
    const ids = here.map(({ clientId }) => clientId);
    meter.onKill(broker.port, ids, !isAloneIn(fault));
    await broker.kill();
    if (!fault.isHard) await pass(fault.forMs);
    if (fault.kind === 'kill at start') {
      await broker.spawn();
      await pass(fault.startMs);
      await broker.kill();
    }
    await broker.start();
  }

  private async pause(machine: Machine, fault: ClusterFault): Promise<void> {
    const { broker } = machine;
    const { crowd } = this.run;
    const isLong = fault.kind === 'long stop';
    const forMs = isLong ? leaseMs + beyondLeaseMs + fault.forMs : fault.forMs % shortStopMs;
    broker.signal('SIGSTOP');
    await pass(forMs / 2);
    if (fault.isHard) {
      // They do not wait, but go elsewhere, or connect to it again.
      for (const client of crowd.clients) if (client.port === broker.port) client.takeOver();
    }
    await pass(forMs / 2);
    if (isLong) machine.absences++;
    broker.signal('SIGCONT');
  }

  /** For less or more than the lease. */
  private async part(machine: Machine, fault: ClusterFault): Promise<void> {
    const forMs = fault.isHard ? fault.forMs : leaseMs + fault.forMs;
    await machine.path.block(fault.barrier);
    await pass(forMs);
    if (forMs > shortStopMs) machine.absences++;
    await machine.path.open();
  }

  /** SIGTERM, and a new start, of one broker after the other. */
  private async roll(): Promise<void> {
    const { machines } = this.run;
    for (const machine of machines.all) {
      machine.isBroken = true;
      await machine.broker.stop();
      await machine.broker.start();
      machine.isBroken = false;
    }
  }

  /** Some clients connect anywhere, again and again, as soon as they are welcome. */
  private async fight(fault: ClusterFault): Promise<void> {
    const { crowd } = this.run;
    const all = crowd.hitBy(fault).slice(0, fightersMax);
    const endMs = performance.now() + fault.forMs;
    while (performance.now() < endMs) {
      for (const client of all) if (client.isConnected) client.takeOver();
      await pass(fightEveryMs);
    }
  }
}

/** It waits until nothing else is broken. */
function isAloneIn({ isUp, kind }: ClusterFault): boolean {
  return kind === 'kill' && isUp;
}
