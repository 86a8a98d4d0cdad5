/** Small calls of one session: what the map knows by now, and what a starting broker asks. */
import { Call } from './call.js';
import type { CommandBuffer } from './command-buffer.js';
import { loadScript, purgeScript, settleScript } from './scripts/claim.js';
import type { Script } from './scripts/script.js';
import type { LaneTask, SessionLane } from './session-lane.js';

export class SessionTask implements LaneTask {
  readonly isReady = true;
  private readonly script: Script;
  private readonly texts: readonly string[];
  private readonly onAnswer: (value: unknown) => void;

  constructor(script: Script, texts: readonly string[], onAnswer: (value: unknown) => void) {
    this.script = script;
    this.texts = texts;
    this.onAnswer = onAnswer;
  }

  makeCall(lane: SessionLane): Call {
    return new TextCall(lane, this.script, this.texts, this.onAnswer);
  }
}

/** The map has the changes of a call. */
export function mapped(writer: Buffer, call: number, gone: readonly string[]): SessionTask {
  return new SessionTask(settleScript, [`${writer}:${call}`, ...gone], () => undefined);
}

/** The map has forgotten an ended session; `onAnswer` hears whether there is no other one now. */
export function purged(epoch: number, onAnswer: (isGone: boolean) => void): SessionTask {
  return new SessionTask(purgeScript, [String(epoch)], (value) => onAnswer(Number(value) === 1));
}

/** A broker starts: how is this session? */
export function loaded(
  node: string,
  nowMs: number,
  onAnswer: (value: unknown) => void,
): SessionTask {
  return new SessionTask(loadScript, [node, String(nowMs)], onAnswer);
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
