/** The way of a broker's pledges to Redis, in one of its lives. */
import { Call } from '../call.js';
import type { CommandBuffer } from '../command-buffer.js';
import { nodeTag } from '../keys.js';
import { Lane } from '../lane.js';
import { pledgeScript } from '../scripts/pledge.js';
import { Sent } from '../scripts/send.js';
import { slotOf } from '../slot.js';
import type { FabricHome } from './fabric-home.js';
import type { PledgeCallParts, Pledges } from './pledges.js';

export class PledgeLane extends Lane {
  readonly home: FabricHome;
  readonly keys: readonly string[];
  readonly pledges: Pledges;

  constructor(home: FabricHome, node: string, pledges: Pledges) {
    super(slotOf(nodeTag(node)));
    this.home = home;
    this.keys = [home.keys.inbox(node, 'due'), home.keys.inbox(node, 'alive')];
    this.pledges = pledges;
  }

  protected next(): Call | null {
    const parts = this.pledges.take(this);
    return parts === null ? null : new PledgeCall(this, parts);
  }
}

class PledgeCall extends Call {
  readonly size: number;
  private readonly lane: PledgeLane;
  private readonly parts: PledgeCallParts;
  /** A repeat is the same bytes, whatever was fulfilled since. */
  private readonly records: readonly Buffer[];
  private readonly number: number;

  constructor(lane: PledgeLane, parts: PledgeCallParts) {
    super(lane.slot);
    this.lane = lane;
    this.parts = parts;
    this.records = parts.entries.map(({ pledged }) => pledged.record());
    this.size = 200 + 20 * parts.fulfilled.length + parts.bytes;
    this.number = lane.home.nextCall();
  }

  encode(out: CommandBuffer): void {
    const { keys } = this.lane;
    const { entries, fulfilled } = this.parts;
    out.command(5 + keys.length + fulfilled.length + 2 * entries.length);
    out.encoded(pledgeScript.encoded);
    out.number(keys.length);
    for (const key of keys) out.text(key);
    out.number(this.number);
    out.number(fulfilled.length);
    for (const number of fulfilled) out.number(number);
    for (const [at, { number }] of entries.entries()) {
      out.number(number);
      out.blob(this.records[at]!);
    }
  }

  onReply(value: unknown): void {
    this.lane.pledges.onAnswer(this.lane, this.parts.entries, Number(value) !== Sent.Dead);
    this.lane.onCallDone();
  }
}
