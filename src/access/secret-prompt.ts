/**
 * Reading a password from a person: on a terminal without echo, otherwise one line of standard
 * input. One reader for both questions of a prompt, since the second line may already be here.
 */
import type { Readable } from 'node:stream';

/** Characters of one answer; a longer line is refused rather than kept. */
export const SECRET_LENGTH_MAX = 65_535;

const CONTROL_C = '\x03';
const CONTROL_D = '\x04';
const CONTROL_U = '\x15';
const BACKSPACE = '\x08';
const DELETE = '\x7f';

/** What of `process.stdin` is used. */
export interface SecretSource extends Readable {
  isTTY?: boolean;
  setRawMode?(isRaw: boolean): unknown;
}

export class SecretReader {
  private readonly source: SecretSource;
  private readonly write: (text: string) => void;
  /** Characters that arrived behind the last answer. */
  private pending = '';
  private isEnded = false;

  constructor(source: SecretSource, write: (text: string) => void) {
    this.source = source;
    this.write = write;
  }

  /** The answer to `prompt`; null when the input ended, was too long, or Control-C was pressed. */
  async read(prompt: string): Promise<string | null> {
    this.write(prompt);
    const { source } = this;
    const isRaw = source.isTTY === true && source.setRawMode !== undefined;
    if (isRaw) source.setRawMode?.(true);
    source.setEncoding('utf8');
    try {
      return await this.readLine(isRaw);
    } finally {
      if (isRaw) source.setRawMode?.(false);
      source.pause();
      this.write('\n');
    }
  }

  private readLine(isRaw: boolean): Promise<string | null> {
    return new Promise((resolve, reject) => {
      const { source } = this;
      let answer = '';
      const letGo = (): void => {
        source.off('data', onData).off('end', onEnd).off('error', onError);
      };
      const done = (result: string | null): void => {
        letGo();
        resolve(result);
      };
      const take = (): boolean => {
        const line = takeLine(this.pending, answer, isRaw);
        this.pending = line.rest;
        answer = line.answer;
        if (line.isCancelled || answer.length > SECRET_LENGTH_MAX) done(null);
        else if (line.isComplete) done(answer);
        else return false;
        return true;
      };
      const onData = (chunk: string): void => {
        this.pending += chunk;
        take();
      };
      const onEnd = (): void => {
        this.isEnded = true;
        done(answer === '' ? null : answer);
      };
      const onError = (error: Error): void => {
        letGo();
        reject(error);
      };
      if (take()) return;
      if (this.isEnded || source.readableEnded) return onEnd();
      source.on('data', onData).on('end', onEnd).on('error', onError);
      source.resume();
    });
  }
}

interface TakenLine {
  readonly answer: string;
  readonly rest: string;
  readonly isComplete: boolean;
  readonly isCancelled: boolean;
}

/** Adds the characters of `input` to `answer` up to the end of the line. */
function takeLine(input: string, answer: string, isRaw: boolean): TakenLine {
  return isRaw ? takeTyped(input, answer) : takePiped(input, answer);
}

function takePiped(input: string, answer: string): TakenLine {
  const newline = input.indexOf('\n');
  if (newline < 0) return incomplete(answer + input);
  const line = answer + input.slice(0, newline);
  return complete(line.endsWith('\r') ? line.slice(0, -1) : line, input.slice(newline + 1));
}

/** A raw terminal sends Return as CR and leaves editing to us. */
function takeTyped(input: string, answer: string): TakenLine {
  // By code point, so that one backspace takes one character.
  const typed = [...answer];
  const incoming = [...input];
  for (let at = 0; at < incoming.length; at++) {
    const character = incoming[at];
    const rest = (): string => incoming.slice(at + 1).join('');
    if (character === '\r' || character === '\n') return complete(typed.join(''), rest());
    const isCancel = character === CONTROL_C || (character === CONTROL_D && typed.length === 0);
    if (isCancel) return { answer: '', rest: rest(), isComplete: true, isCancelled: true };
    if (character === BACKSPACE || character === DELETE) typed.pop();
    else if (character === CONTROL_U) typed.length = 0;
    else typed.push(character);
  }
  return incomplete(typed.join(''));
}

function complete(answer: string, rest: string): TakenLine {
  return { answer, rest, isComplete: true, isCancelled: false };
}

function incomplete(answer: string): TakenLine {
  return { answer, rest: '', isComplete: false, isCancelled: false };
}
