/** What Redis answers: texts are bytes, one per character. */

export class Status {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** An error that Redis answers; thrown by commands. */
export class ErrorReply extends Error {}

export type Reply = null | number | string | Status | ErrorReply | readonly Reply[];

export const OK = new Status('OK');

/** As ioredis hands it to whoever asked. */
export function toClient(reply: Reply): unknown {
  if (typeof reply === 'string') return Buffer.from(reply, 'latin1');
  if (reply instanceof Status) return Buffer.from(reply.text, 'latin1');
  if (Array.isArray(reply)) return reply.map(toClient);
  return reply;
}
