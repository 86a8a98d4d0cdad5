/** `pid_file`: the number of the process, for scripts that send it signals. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { BrokerError, messageOf, systemCode } from '../base/errors.js';

export class PidFile {
  private readonly path: string;
  private readonly content: string;

  /**
   * Writes the file; one that is there already is replaced.
   *
   * @throws BrokerError PID_FILE
   */
  constructor(path: string, pid: number) {
    this.path = path;
    this.content = `${pid}\n`;
    try {
      writeFileSync(path, this.content, { mode: 0o644 });
    } catch (cause) {
      const text = `pid_file: cannot write ${path}: ${messageOf(cause)}`;
      throw new BrokerError('PID_FILE', text, { cause });
    }
  }

  /**
   * Removes the file, unless another process has put its own number there.
   *
   * @returns why it is still there, such as after the change to a user who may not remove it
   */
  remove(): BrokerError | null {
    try {
      if (readFileSync(this.path, 'utf8') === this.content) rmSync(this.path);
      return null;
    } catch (cause) {
      if (systemCode(cause) === 'ENOENT') return null;
      const text = `pid_file: cannot remove ${this.path}: ${messageOf(cause)}`;
      return new BrokerError('PID_FILE', text, { cause });
    }
  }
}
