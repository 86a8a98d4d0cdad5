/** Small calls of one session: what the map knows by now, how it is, whom it belongs to. */
import { Call } from './call.js';
import type { CommandBuffer } from './command-buffer.js';
import { purgeScript, settleScript } from './scripts/claim.js';
import { adoptScript, leaveScript, loadScript, orphanScript } from './scripts/offline.js';
import type { Script } from './scripts/script.js';
import type { LaneTask, SessionLane } from './session-lane.js';

/** Made when the call is; null: the call is not wanted any more. */
type MakeTexts = (lane: SessionLane) => readonly string[] | null;

export class SessionTask implements LaneTask {
  readonly isReady = true;
  private readonly script: Script;
  private readonly makeTexts: MakeTexts;
  private readonly onAnswer: (value: unknown) => void;

  constructor(script: Script, makeTexts: MakeTexts, onAnswer: (value: unknown) => void) {
    this.script = script;
    this.makeTexts = makeTexts;
    this.onAnswer = onAnswer;
  }

  makeCall(lane: SessionLane): Call | null {
    const texts = this.makeTexts(lane);
    return texts === null ? null : new TextCall(lane, this.script, texts, this.onAnswer);
  }
}

/** The map has the changes of a call. */
export function mapped(writer: Buffer, call: number, gone: readonly string[]): SessionTask {
  const texts = [`${writer}:${call}`, ...gone];
  return new SessionTask(settleScript, () => texts, nothing);
}

/** The map has forgotten an ended session; `onAnswer` hears whether there is no other one now. */
export function purged(epoch: number, onAnswer: (isGone: boolean) => void): SessionTask {
  const texts = [String(epoch)];
  return new SessionTask(
    purgeScript,
    () => texts,
    (value) => onAnswer(Number(value) === 1),
  );
}

/** How is this session? */
export function loaded(onAnswer: (value: unknown) => void): SessionTask {
  return new SessionTask(loadScript, () => [], onAnswer);
}

/** The node that this session is connected to is dead. */
export function orphaned(deadNode: string, onAnswer: (value: unknown) => void): SessionTask {
  return new SessionTask(orphanScript, () => [deadNode], onAnswer);
}

/**
 * An offline session is due: is it ours to look after?
 *
 * @param epoch that it must have; 0: any, when it is overdue
 * @param deadNode sees to nothing any more; empty: none
 */
export function adopted(
  node: string,
  epoch: number,
  deadNode: string,
  onAnswer: (value: unknown) => void,
): SessionTask {
  const makeTexts: MakeTexts = ({ home }) => [
    node,
    String(home.nextCall()),
    String(epoch),
    deadNode,
  ];
  return new SessionTask(adoptScript, makeTexts, onAnswer);
}

/**
 * A transient client is gone.
 *
 * @param epochOf asked when its turn has come; 0: it never was on record
 */
export function left(epochOf: () => number, onAnswer: (value: unknown) => void): SessionTask {
  const makeTexts: MakeTexts = () => {
    const epoch = epochOf();
    if (epoch > 0) return [String(epoch)];
    onAnswer(null);
    return null;
  };
  return new SessionTask(leaveScript, makeTexts, onAnswer);
}

function nothing(): void {
  // Nobody waits for it.
}

class TextCall extends Call {
  readonly size: number;
  private readonly lane: SessionLane;
  private readonly script: Script;
  private readonly texts: readonly string[];
  private readonly onAnswer: (value: unknown) => void;

  constructor(
    lane: SessionLane,
    script: Script,
    texts: readonly string[],
    onAnswer: (value: unknown) => void,
  ) {
    super(lane.slot);
    this.lane = lane;
    this.script = script;
    this.texts = texts;
    this.onAnswer = onAnswer;
    this.size = 200 + lane.oneKey.length + texts.reduce((sum, text) => sum + text.length + 20, 0);
  }

  encode(out: CommandBuffer): void {
    out.command(4 + this.texts.length);
    out.encoded(this.script.encoded);
    out.encoded(this.lane.oneKey);
    for (const text of this.texts) out.text(text);
  }

  onReply(value: unknown): void {
    this.onAnswer(value);
    this.lane.home.end();
    this.lane.onCallDone();
  }
}
