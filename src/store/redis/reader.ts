/**
 * Questions that change nothing, on connections of their own, so that long answers do not stand
 * in the way of writes. Repeated until a deadline.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { BrokerError, messageOf } from '../../base/errors.js';
import type { Cluster } from './cluster.js';
import { type Address, addressText, Connection } from './connection.js';
import { isAboutTopology, Refusal, redirection, refusalOf } from './reply-error.js';
import { RETRY_MS_MAX, RETRY_MS_MIN } from './tuning.js';

export type Question = readonly (string | Buffer)[];

/** What a reader needs to know of the cluster that it asks. */
export type ReaderHome = Pick<
  Cluster,
  'addressOf' | 'isClosed' | 'login' | 'onMoved' | 'refresh'
> & {
  readonly options: Pick<Cluster['options'], 'clock'>;
};

export class Reader {
  private readonly cluster: ReaderHome;
  private readonly connections = new Map<string, Promise<Connection>>();
  private readonly open = new Set<Connection>();

  constructor(cluster: ReaderHome) {
    this.cluster = cluster;
  }

  /**
   * Asks the node of a slot; all questions go out together.
   *
   * @throws BrokerError `STORE_AWAY` when there is no answer within `deadlineMs`
   */
  async ask(slot: number, questions: readonly Question[], deadlineMs: number): Promise<unknown[]> {
    const { clock } = this.cluster.options;
    const endMs = clock.nowMs() + deadlineMs;
    let target: Address | null = null;
    for (let attempt = 0; ; attempt++) {
      const isAsking = target !== null;
      const address: Address | null = target ?? this.cluster.addressOf(slot);
      target = null;
      let problem: unknown = new Error('nobody serves the slot');
      try {
        if (address !== null) return await this.askOnce(address, questions, isAsking);
      } catch (error) {
        problem = error;
        target = this.follow(slot, error, address!);
      }
      if (this.cluster.isClosed || clock.nowMs() >= endMs) {
        const detail = `Redis does not answer: ${messageOf(problem)}`;
        throw new BrokerError('STORE_AWAY', detail, { cause: problem });
      }
      if (target === null && !isMoved(problem)) {
        await pause(Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(attempt, 10)));
      }
    }
  }

  tick(): void {
    for (const connection of this.open) {
      if (connection.isOpen) connection.checkSilence();
    }
  }

  close(): void {
    for (const connection of this.open) connection.close();
  }

  private async askOnce(
    address: Address,
    questions: readonly Question[],
    isAsking: boolean,
  ): Promise<unknown[]> {
    const connection = await this.connect(address);
    const replies = questions.map((question) => {
      const asked = isAsking ? connection.command('ASKING') : null;
      const reply = connection.command(...question);
      return asked === null ? reply : Promise.all([asked, reply]).then(([, answer]) => answer);
    });
    return Promise.all(replies);
  }

  /** Where to ask next at once; null: where the slot is. */
  private follow(slot: number, error: unknown, from: Address): Address | null {
    if (!(error instanceof Error)) return null;
    const refusal = refusalOf(error);
    if (refusal === Refusal.Ask) return redirection(error, from);
    if (refusal === Refusal.Moved) {
      const to = redirection(error, from);
      if (to !== null) this.cluster.onMoved(slot, to);
    } else if (refusal === Refusal.Lost || isAboutTopology(error)) {
      this.cluster.refresh();
    }
    return null;
  }

  private connect(address: Address): Promise<Connection> {
    const name = addressText(address);
    const known = this.connections.get(name);
    if (known !== undefined) return known;
    const connection = new Connection(address, this.cluster.login, this.cluster.options.clock);
    const opening = connection.open().then(() => connection);
    this.connections.set(name, opening);
    this.open.add(connection);
    connection.onEnd = () => {
      this.open.delete(connection);
      if (this.connections.get(name) === opening) this.connections.delete(name);
    };
    return opening;
  }
}

function isMoved(problem: unknown): boolean {
  return problem instanceof Error && refusalOf(problem) === Refusal.Moved;
}
