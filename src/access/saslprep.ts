/**
 * SASLprep (RFC 4013): how SCRAM clients and servers bring a password into one form, so that "é"
 * typed in two ways is one password.
 *
 * Left out on purpose: the checks for unassigned code points (allowed in queries) and for
 * right-to-left text. They only refuse; a client that makes them refuses by itself.
 */

// Table B.1: mapped to nothing.
const NOTHING =
  /\u034f|\u180b|\u180c|\u180d|\u200d|[\ufe00-\ufe0f]|[\u00ad\u1806\u200b\u200c\u2060\ufeff]/g;
// Table C.1.2: mapped to a space.
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g;
// Tables C.2.1 to C.9: prohibited. \p{Noncharacter_Code_Point} is table C.4.
const PROHIBITED = new RegExp(
  [
    '[\\p{Cc}\\p{Co}\\p{Cs}\\p{Noncharacter_Code_Point}]',
    '[\\u06dd\\u070f\\u180e\\u2028\\u2029\\u2061-\\u2063\\u206a-\\u206f\\ufff9-\\ufffd]',
    '[\\u2ff0-\\u2ffb\\u0340\\u0341\\u200e\\u200f\\u202a-\\u202e]',
    '[\\u{1d173}-\\u{1d17a}\\u{e0001}\\u{e0020}-\\u{e007f}]',
  ].join('|'),
  'u',
);
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

/** The prepared form; null when the text has a character that SASLprep prohibits. */
export function saslprep(text: string): string | null {
  if (PRINTABLE_ASCII.test(text)) return text;
  const prepared = text.replace(NOTHING, '').replace(SPACES, ' ').normalize('NFKC');
  return PROHIBITED.test(prepared) ? null : prepared;
}

/**
 * The bytes of a password that SCRAM derives its keys from. A password that cannot be prepared
 * (not UTF-8, or prohibited characters) is taken as it is, as other servers do: it then serves
 * clients that do not prepare either.
 */
export function preparePassword(password: Uint8Array): Buffer {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(password);
  } catch {
    // Not text: MQTT passwords are bytes.
    return Buffer.from(password);
  }
  const prepared = saslprep(text);
  return prepared === null ? Buffer.from(password) : Buffer.from(prepared, 'utf8');
}
