/** How many password checks run, wait, and are refused. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PasswordChecks } from '../../src/access/password-checks.js';
import { hashPassword } from '../../src/access/password-hash.js';

const test = suite('password checks');
const right = Buffer.from('right');
const hash = await hashPassword('sha512-pbkdf2', right, 1_000);

test('answers in order, those that waited too', async () => {
  const checks = new PasswordChecks({ runningMax: 1, waitingMax: 10 });
  const order: number[] = [];
  const passwords = ['right', 'wrong', 'right', 'other'];

  const answers = await Promise.all(
    passwords.map(async (password, index) => {
      const answer = await checks.verify(hash, Buffer.from(password));
      order.push(index);
      return answer;
    }),
  );

  assert.equal(answers, [true, false, true, false]);
  assert.equal(order, [0, 1, 2, 3]);
});

test('refuses what neither runs nor may wait, and recovers', async () => {
  const checks = new PasswordChecks({ runningMax: 2, waitingMax: 1 });

  const asked = Array.from({ length: 5 }, () => checks.verify(hash, right));
  assert.equal(
    asked.map((answer) => answer === null),
    [false, false, false, true, true],
  );
  assert.equal(await Promise.all(asked), [true, true, true, null, null]);

  const again = Array.from({ length: 4 }, () => checks.verify(hash, right));
  assert.equal(
    again.map((answer) => answer === null),
    [false, false, false, true],
  );
  await Promise.all(again);
});

test('takes a copy: the caller may overwrite the password at once', async () => {
  const checks = new PasswordChecks({ runningMax: 1, waitingMax: 10 });
  const [first, second] = [Buffer.from('right'), Buffer.from('right')];

  const asked = [checks.verify(hash, first), checks.verify(hash, second)];
  first.fill(0);
  second.fill(0);

  assert.equal(await Promise.all(asked), [true, true]);
});

test('does not touch the caller’s bytes', async () => {
  const password = Buffer.from('right');

  await new PasswordChecks().verify(hash, password);

  assert.equal(password, Buffer.from('right'));
});

test.run();
