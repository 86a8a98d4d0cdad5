/** SCRAM-SHA-256 (RFC 5802, RFC 7677): the stored form of a password, and a client's side. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

const ITERATIONS = 4096;

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** A password file's line for a user who authenticates with SCRAM-SHA-256. */
export function scramLine(username: string, password: string): string {
  const salt = Buffer.from('salt for conformance');
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, 'sha256');
  const storedKey = sha256(hmac(salted, 'Client Key'));
  const serverKey = hmac(salted, 'Server Key');
  const parts = [ITERATIONS, salt.toString('base64'), storedKey.toString('base64')];
  return `${username}:$scram-sha-256$${parts.join('$')}$${serverKey.toString('base64')}`;
}

/** The client of one exchange. */
export class ScramClient {
  private readonly password: string;
  private readonly firstBare: string;
  private serverSignature: Buffer = Buffer.alloc(0);

  constructor(username: string, password: string) {
    this.password = password;
    this.firstBare = `n=${username},r=${randomBytes(18).toString('base64')}`;
  }

  first(): Buffer {
    return Buffer.from(`n,,${this.firstBare}`);
  }

  /** The answer to the server's first message. */
  final(serverFirst: Buffer): Buffer {
    const text = serverFirst.toString('utf8');
    const match = /^r=([^,]+),s=([^,]+),i=(\d+)/.exec(text);
    if (match === null) throw new Error(`no SCRAM server-first-message: ${text}`);
    const [, nonce, salt, iterations] = match;
    const salted = pbkdf2Sync(
      this.password,
      Buffer.from(salt, 'base64'),
      Number(iterations),
      32,
      'sha256',
    );
    const clientKey = hmac(salted, 'Client Key');
    const withoutProof = `c=biws,r=${nonce}`;
    const authMessage = `${this.firstBare},${text},${withoutProof}`;
    const signature = hmac(sha256(clientKey), authMessage);
    const proof = clientKey.map((byte, at) => byte ^ signature[at]);
    this.serverSignature = hmac(hmac(salted, 'Server Key'), authMessage);
    return Buffer.from(`${withoutProof},p=${Buffer.from(proof).toString('base64')}`);
  }

  /** Whether the server's last message shows that it knows the password. */
  isServer(serverFinal: Buffer): boolean {
    return serverFinal.toString('utf8') === `v=${this.serverSignature.toString('base64')}`;
  }
}
