/** SCRAM-SHA-256: the RFC's example, whole exchanges, and everything that must not get through. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deriveScramKeys, type ScramVerifier } from '../../src/access/password-hash.js';
import { type ScramCredentials, ScramExchange } from '../../src/access/scram.js';
import type { AuthenticationStep } from '../../src/broker/access.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { ScramClient, type ScramClientOptions } from './scram-client.js';

const test = suite('scram-sha-256');

async function verifierFor(password: string, salt: Buffer, iterations: number) {
  const keys = await deriveScramKeys(Buffer.from(password), salt, iterations);
  return { kind: 'scram-sha-256', iterations, salt, ...keys } as const;
}

const salt = Buffer.from('salt of 12 b');
const verifier = await verifierFor('pencil', salt, 4096);
const decoy = await verifierFor('nobody knows', Buffer.from('another salt'), 4096);

function credentials(users: Record<string, ScramVerifier>): ScramCredentials {
  const known = new Map(Object.entries(users));
  return { verifierOf: (name) => known.get(name) ?? null, decoyFor: () => decoy };
}

const users = credentials({ user: verifier, 'a,b=c': verifier, Ünï: verifier });

function exchange(expectedUsername: string | null = null): ScramExchange {
  return new ScramExchange(users, { expectedUsername, serverNonce: 'server-nonce' });
}

/** Both sides to the end; the server's last step, and whether the client believed it. */
function play(
  options: ScramClientOptions,
  server: ScramExchange = exchange(),
): { step: AuthenticationStep; isBelieved: boolean } {
  const client = new ScramClient(options);
  const challenge = server.step(client.first());
  if (challenge.kind !== 'continue') return { step: challenge, isBelieved: false };
  const step = server.step(client.final(challenge.data));
  return { step, isBelieved: step.kind === 'success' && client.accepts(step.data) };
}

function assertRefused(step: AuthenticationStep, reason?: RegExp): void {
  assert.is(step.kind, 'failure');
  if (step.kind !== 'failure') return;
  assert.is(step.reasonCode, ReasonCode.NotAuthorized);
  if (reason !== undefined) assert.match(step.reasonString, reason);
}

test('answers the example of RFC 7677 section 3 to the letter', async () => {
  const rfcSalt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
  const rfcUsers = credentials({ user: await verifierFor('pencil', rfcSalt, 4096) });
  const server = new ScramExchange(rfcUsers, {
    expectedUsername: null,
    serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  });

  const challenge = server.step(Buffer.from('n,,n=user,r=rOprNGfwEbeRWgbNEkqO'));
  const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
  assert.equal(challenge, {
    kind: 'continue',
    data: Buffer.from(`r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`),
  });

  const proof = 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
  assert.equal(server.step(Buffer.from(`c=biws,r=${nonce},p=${proof}`)), {
    kind: 'success',
    data: Buffer.from('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='),
    username: 'user',
  });
});

for (const header of ['n,,', 'y,,', 'n,a=user,']) {
  test(`lets a client in that knows its password, with ${header}`, () => {
    const { step, isBelieved } = play({ username: 'user', password: 'pencil', header });

    assert.is(step.kind, 'success');
    assert.is(isBelieved, true);
  });
}

test('names may hold commas, equal signs and other letters', () => {
  for (const username of ['a,b=c', 'Ünï']) {
    const { step } = play({ username, password: 'pencil' });

    assert.is(step.kind === 'success' && step.username, username);
  }
});

test('asks for the first message when CONNECT had none, once', () => {
  const server = exchange();

  assert.equal(server.step(null), { kind: 'continue', data: null });
  assert.is(play({ username: 'user', password: 'pencil' }, server).step.kind, 'success');

  const silent = exchange();
  silent.step(null);
  assertRefused(silent.step(Buffer.alloc(0)), /incomplete/);
});

test('a wrong password and an unknown user look the same', () => {
  const known = play({ username: 'user', password: 'wrong' });
  const unknown = play({ username: 'nobody', password: 'wrong' });

  assertRefused(known.step, /^not authorized$/);
  assert.equal(unknown.step, known.step);
});

test('the made-up verifier of an unknown user opens to nobody', () => {
  assertRefused(play({ username: 'nobody', password: 'nobody knows' }).step);
});

test('re-authentication is for the same user only', () => {
  const login = { username: 'user', password: 'pencil' };

  assert.is(play(login, exchange('user')).step.kind, 'success');
  assertRefused(play(login, exchange('other')).step, /^not authorized$/);
});

test('a user that is removed or changed during the exchange is refused', async () => {
  for (const later of [{}, { user: await verifierFor('new', salt, 4096) }]) {
    let current = users;
    const server = new ScramExchange(
      { verifierOf: (name) => current.verifierOf(name), decoyFor: () => decoy },
      { expectedUsername: null },
    );
    const client = new ScramClient({ username: 'user', password: 'pencil' });
    const challenge = server.step(client.first());
    current = credentials(later);

    assert.ok(challenge.kind === 'continue');
    assertRefused(server.step(client.final(challenge.data)));
  }
});

test('each exchange has a nonce of its own', () => {
  const options = { expectedUsername: null };
  const first = new ScramClient({ username: 'user', password: 'pencil' }).first();
  const challenges = [1, 2].map(() => new ScramExchange(users, options).step(first));

  assert.not.equal(challenges[0], challenges[1]);
});

test('an exchange that is over stays over', () => {
  const server = exchange();
  const client = new ScramClient({ username: 'user', password: 'pencil' });
  const challenge = server.step(client.first());
  assert.ok(challenge.kind === 'continue');
  const final = client.final(challenge.data);
  assert.is(server.step(final).kind, 'success');

  for (const message of [final, client.first(), null]) {
    const step = server.step(message);
    assert.is(step.kind === 'failure' && step.reasonCode, ReasonCode.ProtocolError);
  }
});

const badFirst: readonly [message: string, reason: RegExp][] = [
  ['n', /incomplete/],
  ['n=user,r=abc', /incomplete/],
  ['p=tls-unique,,n=user,r=abc', /channel binding is not supported/],
  ['x,,n=user,r=abc', /flag is malformed/],
  ['N,,n=user,r=abc', /flag is malformed/],
  ['n,user,n=user,r=abc', /authzid is malformed/],
  ['n,a=other,n=user,r=abc', /acting for another user/],
  ['n,,m=ext,n=user,r=abc', /mandatory extensions/],
  ['n,,r=abc,n=user', /user name is missing/],
  ['n,,n=,r=abc', /user name is missing/],
  ['n,,n=us=er,r=abc', /user name is missing or malformed/],
  ['n,,n=us=2cer,r=abc', /user name is missing or malformed/],
  ['n,,n=us\0er,r=abc', /user name is missing or malformed/],
  ['n,,n=user,r=', /nonce is malformed/],
  ['n,,n=user,r=a b', /nonce is malformed/],
  ['n,,n=user,r=ä', /nonce is malformed/],
  [`n,,n=user,r=${'x'.repeat(1025)}`, /nonce is malformed/],
  ['n,,n=user,s=abc', /nonce is missing/],
  ['n,,n=user,r=abc,', /malformed extension/],
  ['n,,n=user,r=abc,r=abc', /malformed extension/],
  ['n,,n=user,r=abc,xy', /malformed extension/],
];

for (const [message, reason] of badFirst) {
  test(`refuses the first message ${JSON.stringify(message.slice(0, 40))}`, () => {
    const server = exchange();

    assertRefused(server.step(Buffer.from(message)), reason);
    assert.is(server.step(Buffer.from('n,,n=user,r=abc')).kind, 'failure');
  });
}

test('ignores optional extensions, as RFC 5802 section 7 wants', () => {
  assert.is(exchange().step(Buffer.from('n,,n=user,r=abc,x=1,y=2=3')).kind, 'continue');
});

test('refuses bytes that are not UTF-8', () => {
  assertRefused(exchange().step(Buffer.from([0x6e, 0x2c, 0x2c, 0xff])), /UTF-8/);
});

const badFinal: readonly [change: (final: string) => string, reason: RegExp][] = [
  [(final) => final.replace('c=biws', 'c=eSws'), /does not repeat the first message/],
  [(final) => final.replace('c=biws', 'c=biws='), /does not repeat the first message/],
  [(final) => final.replace('server-nonce', 'server-nonc'), /nonce does not match/],
  [(final) => final.replace('r=client', 'r=Client'), /nonce does not match/],
  [(final) => final.replace(/,p=.*/, ''), /incomplete/],
  [(final) => final.replace(/(c=.*?),(r=.*?),/, '$2,$1,'), /channel binding is missing/],
  [(final) => final.replace('r=', 'n='), /nonce is missing/],
  [(final) => `${final},x=1`, /proof is missing/],
  [(final) => final.replace(',p=', ',m=1,p='), /malformed extension/],
  [(final) => final.replace(',p=', ',r=1,p='), /malformed extension/],
  [(final) => final.replace(',p=', ',x=1,p='), /not authorized/],
  [(final) => final.replace(/p=.*/, 'p='), /not authorized/],
  [(final) => final.replace(/p=.*/, 'p=AAAA'), /not authorized/],
  [(final) => final.replace(/p=(.*)/, 'p= $1'), /not authorized/],
];

for (const [change, reason] of badFinal) {
  test(`refuses the final message changed by ${change}`, () => {
    const server = exchange();
    const client = new ScramClient({ username: 'user', password: 'pencil' });
    const challenge = server.step(client.first());
    assert.ok(challenge.kind === 'continue');
    const right = client.final(challenge.data).toString();
    const changed = change(right);
    assert.is.not(changed, right);

    assertRefused(server.step(Buffer.from(changed)), reason);
    assert.is(server.step(Buffer.from(right)).kind, 'failure', 'there is no second try');
  });
}

test('no message makes it throw, and none gets in without the password', () => {
  const part = fc.constantFrom('n', ',', 'y', 'n=user', 'r=', 'c=biws', 'p=', 'a=', '=2C', 'x');
  const message = fc.oneof(
    fc.array(part, { maxLength: 12 }).map((parts) => Buffer.from(parts.join(''))),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 4 }), (messages) => {
      const server = exchange();
      for (const it of messages) assert.is.not(server.step(it).kind, 'success');
    }),
    { numRuns: 2_000 },
  );
});

test.run();
