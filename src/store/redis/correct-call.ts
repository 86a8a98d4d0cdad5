/**
 * Corrects the list of offline sessions. No lane: an entry that was changed meanwhile stays as it
 * is, so it does not matter what comes first.
 */
import { Call } from './call.js';
import type { CommandBuffer } from './command-buffer.js';
import type { LaneHome } from './lane.js';
import { correctScript } from './scripts/offline.js';

export interface Correction {
  readonly clientId: string;
  /** As Redis said it. */
  readonly score: string;
  /** Or `OFF_THE_LIST`. */
  readonly newScore: string;
}

export class CorrectCall extends Call {
  readonly size: number;
  private readonly home: LaneHome;
  private readonly key: string;
  private readonly corrections: readonly Correction[];

  /** @param home was told that work begins */
  constructor(slot: number, home: LaneHome, key: string, corrections: readonly Correction[]) {
    super(slot);
    this.home = home;
    this.key = key;
    this.corrections = corrections;
    this.size = 200 + corrections.reduce((sum, { clientId }) => sum + 3 * clientId.length + 80, 0);
  }

  encode(out: CommandBuffer): void {
    out.command(4 + 3 * this.corrections.length);
    out.encoded(correctScript.encoded);
    out.number(1);
    out.text(this.key);
    for (const { clientId, newScore, score } of this.corrections) {
      out.text(clientId);
      out.text(score);
      out.text(newScore);
    }
  }

  onReply(): void {
    this.home.end();
  }
}
