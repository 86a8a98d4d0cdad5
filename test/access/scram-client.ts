/** The client's side of SCRAM-SHA-256, written from RFC 5802 for the tests. */
import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto';

export interface ScramClientOptions {
  readonly username: string;
  readonly password: string;
  /** Default: `client-nonce`. */
  readonly nonce?: string;
  /** Default: `n,,`. */
  readonly header?: string;
}

const hmac = (key: Uint8Array, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();

export class ScramClient {
  private readonly username: string;
  private readonly password: string;
  private readonly nonce: string;
  private readonly header: string;
  private signature: Buffer = Buffer.alloc(0);

  constructor(options: ScramClientOptions) {
    this.username = options.username;
    this.password = options.password;
    this.nonce = options.nonce ?? 'client-nonce';
    this.header = options.header ?? 'n,,';
  }

  first(): Buffer {
    return Buffer.from(this.header + this.bare());
  }

  final(serverFirst: Buffer | null): Buffer {
    const challenge = String(serverFirst);
    const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(challenge) ?? [];
    const saltBytes = Buffer.from(salt, 'base64');
    const salted = pbkdf2Sync(this.password, saltBytes, Number(iterations), 32, 'sha256');
    const clientKey = hmac(salted, 'Client Key');
    const storedKey = createHash('sha256').update(clientKey).digest();
    const binding = Buffer.from(this.header).toString('base64');
    const withoutProof = `c=${binding},r=${nonce}`;
    const authMessage = `${this.bare()},${challenge},${withoutProof}`;
    const proof = hmac(storedKey, authMessage).map((byte, index) => byte ^ clientKey[index]);
    this.signature = hmac(hmac(salted, 'Server Key'), authMessage);
    return Buffer.from(`${withoutProof},p=${Buffer.from(proof).toString('base64')}`);
  }

  /** True when the server's last message shows that it knows the verifier. */
  accepts(serverFinal: Buffer | null): boolean {
    const signature = Buffer.from(String(serverFinal).replace(/^v=/, ''), 'base64');
    return signature.length === 32 && timingSafeEqual(signature, this.signature);
  }

  private bare(): string {
    const name = this.username.replace(/=/g, '=3D').replace(/,/g, '=2C');
    return `n=${name},r=${this.nonce}`;
  }
}
