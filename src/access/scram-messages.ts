/**
 * The messages of a SCRAM client (RFC 5802 section 7), read strictly: attributes in their order,
 * none twice, nothing left over. A string instead of a message says what is wrong with it; it goes
 * to the client as the reason, so it quotes nothing.
 */

/** Characters of a client's nonce: far more than any client sends. */
export const NONCE_LENGTH_MAX = 1024;

export interface ClientFirst {
  /** `n,,` or `y,,`, with `a=…` between the commas; repeated by the final message. */
  readonly gs2Header: string;
  readonly authorizationId: string | null;
  readonly username: string;
  readonly nonce: string;
  /** The message without its header: part of what is signed. */
  readonly bare: string;
}

export interface ClientFinal {
  /** Base64 of the first message's header. */
  readonly channelBinding: string;
  readonly nonce: string;
  /** Base64. */
  readonly proof: string;
  /** The message up to the proof: part of what is signed. */
  readonly withoutProof: string;
}

/** `n,,n=user,r=nonce` and its variants. */
export function parseClientFirst(message: string): ClientFirst | string {
  const fields = message.split(',');
  if (fields.length < 4) return 'SCRAM first message is incomplete';
  const [flag, authorization, name, nonceField, ...extensions] = fields;
  if (flag.startsWith('p=')) return 'SCRAM channel binding is not supported';
  if (flag !== 'n' && flag !== 'y') return 'SCRAM channel binding flag is malformed';
  const authorizationId = authorization === '' ? null : nameOf(authorization, 'a=');
  if (authorization !== '' && authorizationId === null) return 'SCRAM authzid is malformed';
  if (name.startsWith('m=')) return 'SCRAM mandatory extensions are not supported';
  const username = nameOf(name, 'n=');
  if (username === null) return 'SCRAM user name is missing or malformed';
  if (!nonceField.startsWith('r=')) return 'SCRAM nonce is missing';
  const nonce = nonceField.slice(2);
  if (!isNonce(nonce, NONCE_LENGTH_MAX)) return 'SCRAM nonce is malformed';
  if (!extensions.every(isExtension)) return 'SCRAM first message has a malformed extension';
  const gs2Header = `${flag},${authorization},`;
  return { gs2Header, authorizationId, username, nonce, bare: message.slice(gs2Header.length) };
}

/** `c=biws,r=nonce,p=proof`. */
export function parseClientFinal(message: string): ClientFinal | string {
  const fields = message.split(',');
  if (fields.length < 3) return 'SCRAM final message is incomplete';
  const [bindingField, nonceField] = fields;
  const proofField = fields[fields.length - 1];
  if (!bindingField.startsWith('c=')) return 'SCRAM channel binding is missing';
  if (!nonceField.startsWith('r=')) return 'SCRAM nonce is missing';
  if (!proofField.startsWith('p=')) return 'SCRAM proof is missing';
  if (!fields.slice(2, -1).every(isExtension)) {
    return 'SCRAM final message has a malformed extension';
  }
  return {
    channelBinding: bindingField.slice(2),
    nonce: nonceField.slice(2),
    proof: proofField.slice(2),
    withoutProof: message.slice(0, message.length - proofField.length - 1),
  };
}

/** `,` and `=` in names are written `=2C` and `=3D`; any other `=` is malformed. */
function nameOf(field: string, prefix: string): string | null {
  const encoded = field.slice(prefix.length);
  if (!field.startsWith(prefix) || encoded === '') return null;
  if (encoded.includes('\0') || /=(?!2C|3D)/.test(encoded)) return null;
  return encoded.replace(/=2C|=3D/g, (found) => (found === '=2C' ? ',' : '='));
}

/** Printable ASCII; commas are gone by the splitting. */
function isNonce(nonce: string, lengthMax: number): boolean {
  return nonce.length <= lengthMax && /^[\x21-\x7e]+$/.test(nonce);
}

/** An optional extension: a letter that no attribute of the message has, and a value. */
function isExtension(field: string): boolean {
  return /^[A-Za-z]=[^\0]+$/.test(field) && !/^[acimnprsv]=/.test(field);
}
