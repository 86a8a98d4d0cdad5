/** A Lua script and what EVALSHA needs of it. */
import { createHash } from 'node:crypto';

export class Script {
  /** All there are: every connection loads them. */
  static readonly all: Script[] = [];
  readonly name: string;
  readonly source: string;
  readonly sha: string;
  /** `EVALSHA` and the digest as Redis reads them, for a command that follows. */
  readonly encoded: Buffer;

  constructor(name: string, source: string) {
    this.name = name;
    // One line comments and indentation cost Redis nothing once, but travel with SCRIPT LOAD.
    this.source = source.trim();
    this.sha = createHash('sha1').update(this.source).digest('hex');
    this.encoded = Buffer.from(`$7\r\nEVALSHA\r\n$40\r\n${this.sha}\r\n`);
    Script.all.push(this);
  }
}
