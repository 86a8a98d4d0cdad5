/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side, as an MQTT 5.0 enhanced authentication
 * (section 4.12): the client proves that it knows the password without sending it, and the server
 * that it knows the verifier.
 *
 *   client                                       server
 *     n,,n=user,r=CNONCE            ──────▶                    first
 *                                   ◀──────  r=CNONCE SNONCE,s=salt,i=iterations
 *     c=biws,r=CNONCE SNONCE,p=proof ─────▶                    final
 *                                   ◀──────  v=signature       done
 *
 * Unknown users go through the same exchange with a made-up verifier and fail at its end, like a
 * wrong password. Channel binding is not offered.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { assert, unreachable } from '../base/assert.js';
import type { AuthenticationExchange, AuthenticationStep } from '../broker/access.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { decodeBase64, type ScramVerifier } from './password-hash.js';
import { parseClientFinal, parseClientFirst } from './scram-messages.js';

export const SCRAM_SHA_256 = 'SCRAM-SHA-256';

/** Where an exchange finds verifiers. Asked twice: a reload may come in between. */
export interface ScramCredentials {
  verifierOf(username: string): ScramVerifier | null;
  /** For a name without one; the same for a name each time. Null: nobody has one any more. */
  decoyFor(username: string): ScramVerifier | null;
}

export interface ScramOptions {
  /** When re-authenticating, or when CONNECT had a user name: nobody else may log in. */
  readonly expectedUsername: string | null;
  /** For tests with published vectors. Printable ASCII without a comma. */
  readonly serverNonce?: string;
}

type State = 'first' | 'final' | 'done';

export class ScramExchange implements AuthenticationExchange {
  private readonly credentials: ScramCredentials;
  private readonly expectedUsername: string | null;
  private readonly serverNonce: string;
  private state: State = 'first';
  private hasAsked = false;
  // Set from the client's first message on.
  private username = '';
  private verifier: ScramVerifier | null = null;
  private isKnown = false;
  private channelBinding = '';
  private nonce = '';
  private clientFirstBare = '';
  private serverFirst = '';

  constructor(credentials: ScramCredentials, options: ScramOptions) {
    this.credentials = credentials;
    this.expectedUsername = options.expectedUsername;
    this.serverNonce = options.serverNonce ?? randomBytes(24).toString('base64');
  }

  step(data: Buffer | null): AuthenticationStep {
    const message = data === null ? '' : decodeUtf8(data);
    if (message === null) return this.becomeFailed('SCRAM message is not UTF-8');
    switch (this.state) {
      case 'first':
        return this.onClientFirst(message);
      case 'final':
        return this.onClientFinal(message);
      case 'done':
        return failure(ReasonCode.ProtocolError, 'the authentication exchange is over');
      default:
        return unreachable(this.state);
    }
  }

  private onClientFirst(message: string): AuthenticationStep {
    if (message === '' && !this.hasAsked) {
      // A client may name the method in CONNECT and wait to be asked for its first message.
      this.hasAsked = true;
      return { kind: 'continue', data: null };
    }
    const first = parseClientFirst(message);
    if (typeof first === 'string') return this.becomeFailed(first);
    if (first.authorizationId !== null && first.authorizationId !== first.username) {
      return this.becomeFailed('acting for another user is not supported');
    }
    const isExpected = this.expectedUsername === null || this.expectedUsername === first.username;
    const found = isExpected ? this.credentials.verifierOf(first.username) : null;
    // Made up in either case, so that the answer takes the same time.
    const decoy = this.credentials.decoyFor(first.username);
    if (decoy === null) return this.becomeFailed('not authorized');
    return this.becomeFinal(first, found, decoy);
  }

  private becomeFinal(
    first: { username: string; nonce: string; bare: string; gs2Header: string },
    found: ScramVerifier | null,
    decoy: ScramVerifier,
  ): AuthenticationStep {
    const verifier = found ?? decoy;
    this.state = 'final';
    this.username = first.username;
    this.verifier = verifier;
    this.isKnown = found !== null;
    this.channelBinding = Buffer.from(first.gs2Header).toString('base64');
    this.nonce = first.nonce + this.serverNonce;
    this.clientFirstBare = first.bare;
    const salt = verifier.salt.toString('base64');
    this.serverFirst = `r=${this.nonce},s=${salt},i=${verifier.iterations}`;
    return { kind: 'continue', data: Buffer.from(this.serverFirst) };
  }

  private onClientFinal(message: string): AuthenticationStep {
    const { verifier } = this;
    assert(verifier !== null, 'the final message follows the first');
    const final = parseClientFinal(message);
    if (typeof final === 'string') return this.becomeFailed(final);
    if (final.channelBinding !== this.channelBinding) {
      return this.becomeFailed('SCRAM channel binding does not repeat the first message');
    }
    if (final.nonce !== this.nonce) return this.becomeFailed('SCRAM nonce does not match');
    const authMessage = `${this.clientFirstBare},${this.serverFirst},${final.withoutProof}`;
    const isProven = isProofRight(verifier, authMessage, final.proof);
    if (!isProven || !this.isStillValid(verifier)) {
      return this.becomeFailed('not authorized');
    }
    this.becomeDone();
    const signature = hmac(verifier.serverKey, authMessage).toString('base64');
    return { kind: 'success', data: Buffer.from(`v=${signature}`), username: this.username };
  }

  /** False for made-up verifiers, and when a reload has changed or removed the user meanwhile. */
  private isStillValid(verifier: ScramVerifier): boolean {
    const current = this.credentials.verifierOf(this.username);
    if (!this.isKnown || current === null) return false;
    return timingSafeEqual(current.storedKey, verifier.storedKey);
  }

  private becomeDone(): void {
    this.state = 'done';
    this.verifier = null;
    this.clientFirstBare = '';
    this.serverFirst = '';
  }

  private becomeFailed(reason: string): AuthenticationStep {
    this.becomeDone();
    return failure(ReasonCode.NotAuthorized, reason);
  }
}

/** ClientKey = ClientSignature XOR proof; it is right when its hash is the stored key. */
function isProofRight(verifier: ScramVerifier, authMessage: string, proofText: string): boolean {
  const proof = decodeBase64(proofText);
  const clientKey = hmac(verifier.storedKey, authMessage);
  if (proof === null || proof.length !== clientKey.length) return false;
  for (let index = 0; index < clientKey.length; index++) clientKey[index] ^= proof[index];
  return timingSafeEqual(createHash('sha256').update(clientKey).digest(), verifier.storedKey);
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function failure(reasonCode: number, reasonString: string): AuthenticationStep {
  return { kind: 'failure', reasonCode, reasonString };
}

function decodeUtf8(data: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    // The peer's fault; the caller refuses the message.
    return null;
  }
}
