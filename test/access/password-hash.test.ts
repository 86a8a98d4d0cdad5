/** Password hashes: round trips, Mosquitto's own files, and lines that are refused. */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  formatHash,
  hashKinds,
  hashPassword,
  ITERATIONS_MAX,
  type PasswordHash,
  parseHash,
  verifyPassword,
} from '../../src/access/password-hash.js';

const test = suite('password hash');

function parsed(text: string): PasswordHash {
  const hash = parseHash(text);
  if (typeof hash === 'string') throw new Error(hash);
  return hash;
}

test('any password opens its own hash and no other, after a trip through the file', async () => {
  const password = fc.oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 80 }).map((text) => Buffer.from(text)),
    fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...hashKinds), password, password, async (kind, a, b) => {
      const hash = parsed(formatHash(await hashPassword(kind, a, 3)));

      assert.is(await verifyPassword(hash, a), true);
      fc.pre(a.toString('utf8').normalize('NFKC') !== b.toString('utf8').normalize('NFKC'));
      // SCRAM compares prepared passwords, so only clearly different ones are sure to differ.
      if (kind !== 'scram-sha-256') assert.is(await verifyPassword(hash, b), false);
    }),
    { numRuns: 100 },
  );
});

test('equal passwords have different salts', async () => {
  const [a, b] = await Promise.all(
    [1, 2].map(() => hashPassword('sha512-pbkdf2', Buffer.from('x'), 1)),
  );

  assert.is.not(formatHash(a), formatHash(b));
});

test('SCRAM sees one password in two forms of Unicode', async () => {
  const hash = await hashPassword('scram-sha-256', Buffer.from('caf\u00e9'), 2);

  assert.is(await verifyPassword(hash, Buffer.from('cafe\u0301')), true);
  assert.is(await verifyPassword(hash, Buffer.from('cafe')), false);
});

// Written by mosquitto_passwd 2.0.11 for the password "secret", with -H sha512 and with -I 7.
const known = [
  '$6$BCZHZpptlDstaM2H$+P8lW+NpVh8DBuVcZXGVIo3NAxuW0VTN8Je2crGzXjC+PmFKYBtEK8NN3V' +
    'D/RSddXcIPMwo1G+4UiMcVa+s7Xg==',
  '$7$7$Fd9qdANww0NfqPTn$wsEsU76TgYcR8RRsn3tGzaNAwWq1ZbNM0jZ3V4reBhagi242Zsp+WNBC' +
    'g6Lq3LNJ0LQu6SowxpC/VUQeDsS/Bw==',
];

for (const text of known) {
  test(`reads what mosquitto_passwd wrote: ${text.slice(0, 3)}`, async () => {
    const hash = parsed(text);

    assert.is(formatHash(hash), text);
    assert.is(await verifyPassword(hash, Buffer.from('secret')), true);
    for (const wrong of ['Secret', 'secret ', 'secre', '']) {
      assert.is(await verifyPassword(hash, Buffer.from(wrong)), false);
    }
  });
}

const salt = randomBytes(12).toString('base64');
const bytes64 = randomBytes(64).toString('base64');
const bytes32 = randomBytes(32).toString('base64');

const bad: readonly [text: string, message: RegExp][] = [
  ['', /not hashed/],
  ['secret', /not hashed/],
  ['$', /not hashed/],
  ['$secret', /not hashed/],
  ['$5$a$b', /unknown hash/],
  ['$argon2id$v=19$m=1$a$b', /unknown hash/],
  [`$6$${salt}`, /has the fields \$6\$/],
  [`$6$${salt}$${bytes64}$x`, /has the fields \$6\$/],
  [`$6$$${bytes64}`, /salt/],
  [`$6$a*c=$${bytes64}`, /salt/],
  [`$6$${salt}$${bytes32}`, /64 bytes/],
  [`$6$${salt}$${bytes64} `, /64 bytes/],
  [`$7$${salt}$${bytes64}`, /has the fields \$7\$/],
  [`$7$0$${salt}$${bytes64}`, /iterations/],
  [`$7$-1$${salt}$${bytes64}`, /iterations/],
  [`$7$1e3$${salt}$${bytes64}`, /iterations/],
  [`$7$${ITERATIONS_MAX + 1}$${salt}$${bytes64}`, /iterations/],
  [`$7$101$$${bytes64}`, /salt/],
  [`$7$101$${salt}$`, /64 bytes/],
  [`$scram-sha-256$1$${salt}$${bytes32}`, /has the fields \$scram/],
  [`$scram-sha-256$x$${salt}$${bytes32}$${bytes32}`, /iterations/],
  [`$scram-sha-256$1$-$${bytes32}$${bytes32}`, /salt/],
  [`$scram-sha-256$1$${salt}$${bytes32}$${bytes64}`, /32 bytes/],
];

for (const [text, message] of bad) {
  test(`refuses ${JSON.stringify(text.slice(0, 30))}: ${message.source}`, () => {
    const result = parseHash(text);

    assert.type(result, 'string');
    assert.match(result as string, message);
  });
}

test('parsing never throws', () => {
  const part = fc.constantFrom('$', '6', '7', 'scram-sha-256', '1', salt, bytes64, bytes32, 'x');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const result = parseHash(parts.join(''));

      if (typeof result !== 'string') assert.is(formatHash(result), parts.join(''));
    }),
    { numRuns: 2_000 },
  );
});

test.run();
