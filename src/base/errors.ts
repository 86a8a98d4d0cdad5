/**
 * The world's fault: a file, a port, a disk, a network. `code` is stable and may be tested for;
 * the message says what, where and what to do, in one line.
 */
export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  readonly code: string;

  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}

/** `error.code` of a Node system error such as `EADDRINUSE`; null for anything else. */
export function systemCode(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const code: unknown = (error as NodeJS.ErrnoException).code;
  return typeof code === 'string' ? code : null;
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
