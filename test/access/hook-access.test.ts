/** Access by hooks: what each one takes over, and that its faults refuse. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type AccessHooks, HOOK_TIMEOUT_MS, HookAccess } from '../../src/access/hook-access.js';
import { FakeClock } from '../../src/base/clock.js';
import { DeadlineHeap } from '../../src/base/deadline-heap.js';
import type { Access, AuthenticationExchange } from '../../src/broker/access.js';
import { aClient, KeptLog } from './clients.js';

const test = suite('hook access');
const bob = aClient({ username: 'bob' });

/** Says yes to everything, or no, and restricts nothing. */
function aBase(answer: boolean): Access {
  return {
    authenticate: (client) =>
      answer
        ? { ok: true, username: client.username }
        : { ok: false, reasonCode: 0x86, reasonString: 'base' },
    beginExchange: (method) => ({
      step: () => ({ kind: 'success', data: null, username: `base ${method}` }),
    }),
    mayStay: () => answer,
    restrictsPublish: false,
    mayPublish: () => answer,
    restrictsRead: false,
    mayRead: () => answer,
    restrictsSubscribe: false,
    maySubscribe: () => answer,
    version: 5,
    publishAnswersLast: true,
  };
}

const clock = new FakeClock();
const deadlines = new DeadlineHeap();

function hooked(hooks: AccessHooks, answer = true, log = new KeptLog()): HookAccess {
  return new HookAccess(aBase(answer), hooks, { log, clock, deadlines });
}

test('without hooks the base answers everything', async () => {
  for (const answer of [true, false]) {
    const access = hooked({}, answer);

    assert.equal(await access.authenticate(bob, null), await aBase(answer).authenticate(bob, null));
    assert.is(await access.mayPublish(bob, 't', 0, false), answer);
    assert.is(await access.maySubscribe(bob, 't', 0), answer);
    assert.is(access.mayRead(bob, 't'), answer);
    assert.is(access.mayStay(bob), answer);
    assert.is(access.publishAnswersLast, true);
    assert.is(access.version, 5);
    const restricts = [access.restrictsPublish, access.restrictsRead, access.restrictsSubscribe];
    assert.equal(restricts, [false, false, false]);
  }
});

test('a hook gets the question and takes it over, now or later', async () => {
  for (const wrap of [<T>(value: T) => value, async <T>(value: T) => value]) {
    const asked: unknown[] = [];
    const access = hooked(
      {
        authenticate: (client, password) => wrap(client === bob && String(password) === 'pw'),
        authorizePublish: (...question) => wrap(asked.push(question) > 0),
        authorizeSubscribe: (_client, filter, qos) => wrap(filter === 'a/#' && qos === 1),
      },
      false,
    );

    assert.equal(await access.authenticate(bob, Buffer.from('pw')), { ok: true, username: 'bob' });
    const refused = await access.authenticate(bob, Buffer.from('no'));
    assert.equal(refused, { ok: false, reasonCode: 0x87, reasonString: 'not authorized' });
    assert.is(await access.mayPublish(bob, 't', 2, true), true);
    assert.equal(asked, [[bob, 't', 2, true]]);
    assert.is(await access.maySubscribe(bob, 'a/#', 1), true);
    assert.is(await access.maySubscribe(bob, 'a/#', 0), false);
    assert.is(access.restrictsPublish, true);
    assert.is(access.restrictsSubscribe, true);
    assert.is(access.restrictsRead, false);
  }
});

test('authenticate may set the user name and the reason', async () => {
  const renamed = hooked({ authenticate: () => ({ ok: true, username: 'Robert' }) });
  const refusal = { ok: false, reasonCode: 0x8a, reasonString: 'banned' } as const;

  assert.equal(await renamed.authenticate(bob, null), { ok: true, username: 'Robert' });
  assert.equal(await hooked({ authenticate: () => refusal }).authenticate(bob, null), refusal);
});

test('authorizeRead decides at once', () => {
  const access = hooked({ authorizeRead: (_client, topic) => topic === 'a' });

  assert.is(access.restrictsRead, true);
  assert.is(access.mayRead(bob, 'a'), true);
  assert.is(access.mayRead(bob, 'b'), false);
});

test('an answer to a publish holds for one message, unless the program says otherwise', () => {
  const hooks = { authorizePublish: () => true };
  const lasting = new HookAccess(aBase(true), hooks, {
    ...{ log: new KeptLog(), clock, deadlines },
    publishAnswersLast: true,
  });

  assert.is(hooked(hooks).publishAnswersLast, false);
  assert.is(lasting.publishAnswersLast, true);
});

test('invalidate makes remembered answers be asked again', () => {
  const access = hooked({});

  access.invalidate();

  assert.is(access.version, 6);
});

test('whom a hook let in may stay, unless a hook says otherwise', () => {
  assert.is(hooked({ authenticate: () => true }, false).mayStay(bob), true);
  const strict = hooked({ authenticate: () => true, mayStay: ({ username }) => username === 'al' });
  assert.is(strict.mayStay(bob), false);
  assert.is(strict.mayStay(aClient({ username: 'al' })), true);
});

const fault = new Error('database away');
const faults: readonly [name: string, answer: () => never][] = [
  [
    'throws',
    () => {
      throw fault;
    },
  ],
  ['rejects', () => Promise.reject(fault) as never],
];

for (const [name, answer] of faults) {
  test(`a hook that ${name} refuses, and the log says which`, async () => {
    const log = new KeptLog();
    const access = hooked(
      { authenticate: answer, authorizePublish: answer, authorizeSubscribe: answer },
      true,
      log,
    );

    assert.equal(await access.authenticate(bob, null), {
      ok: false,
      reasonCode: 0x87,
      reasonString: 'not authorized',
    });
    assert.is(await access.mayPublish(bob, 't', 0, false), false);
    assert.is(await access.maySubscribe(bob, 't', 0), false);
    assert.equal(
      log.entries.map(({ level, fields }) => [level, fields.hook, fields.reason]),
      ['authenticate', 'authorizePublish', 'authorizeSubscribe'].map((hook) => [
        'error',
        hook,
        'database away',
      ]),
    );
  });

  test(`authorizeRead and mayStay that ${name} refuse`, () => {
    const log = new KeptLog();
    const access = hooked({ authorizeRead: answer, mayStay: answer }, true, log);

    assert.is(access.mayRead(bob, 't'), false);
    assert.is(access.mayStay(bob), false);
    assert.is(log.events('error').length, 2);
  });
}

test('anything but true refuses', async () => {
  const bad = [1, 'yes', {}, null, undefined, [], { ok: 'true' }, { ok: true }, { ok: false }];
  for (const value of [...bad, { ok: false, reasonCode: 0, reasonString: '' }]) {
    const answer = () => value as never;
    const access = hooked({
      authenticate: answer,
      authorizePublish: answer,
      authorizeRead: answer,
      authorizeSubscribe: answer,
      mayStay: answer,
    });

    assert.equal(await access.authenticate(bob, null), {
      ok: false,
      reasonCode: 0x87,
      reasonString: 'not authorized',
    });
    assert.is(await access.mayPublish(bob, 't', 0, false), false);
    assert.is(await access.maySubscribe(bob, 't', 0), false);
    assert.is(access.mayRead(bob, 't'), false);
    assert.is(access.mayStay(bob), false);
  }
});

test('a hook that does not answer in time refuses', async () => {
  const log = new KeptLog();
  const never = () => new Promise<boolean>(() => undefined);
  const access = hooked({ authorizePublish: never }, true, log);
  const answer = access.mayPublish(bob, 't', 0, false);

  clock.advance(HOOK_TIMEOUT_MS - 1);
  deadlines.advance(clock.nowMs());
  assert.is(deadlines.size, 1);
  clock.advance(1);
  deadlines.advance(clock.nowMs());

  assert.is(await answer, false);
  assert.is(log.entries[0].fields.reason, 'no answer within 30000 ms');
});

test('a hook that answered is not waited for any more', async () => {
  const access = hooked({
    authorizePublish: () => Promise.resolve(true),
    authorizeSubscribe: () => Promise.reject(fault),
  });

  const answers = [access.mayPublish(bob, 't', 0, false), access.maySubscribe(bob, 't', 0)];

  assert.is(deadlines.size, 2);
  assert.equal(await Promise.all(answers), [true, false]);
  assert.is(deadlines.size, 0);
});

test('enhanced takes a method over; null leaves it to the base', async () => {
  const access = hooked({
    enhanced: (method) =>
      method === 'MINE'
        ? { step: async () => ({ kind: 'success', data: null, username: 'me' }) }
        : null,
  });
  const success = (username: string) => ({ kind: 'success', data: null, username });

  assert.equal(await access.beginExchange('MINE', bob)?.step(null), success('me'));
  assert.equal(await access.beginExchange('X', bob)?.step(null), success('base X'));
  assert.equal(await hooked({}).beginExchange('X', bob)?.step(null), success('base X'));
});

test('faults of an exchange end in a refusal', async () => {
  const failed = { kind: 'failure', reasonCode: 0x87, reasonString: 'not authorized' };
  const throwing = hooked({
    enhanced: () => {
      throw fault;
    },
  });
  assert.equal(await throwing.beginExchange('X', bob)?.step(null), failed);

  const steps: unknown[] = [
    () => {
      throw fault;
    },
    () => Promise.reject(fault),
    () => true,
    () => null,
    () => ({ kind: 'success' }),
    () => ({ kind: 'success', data: 'text', username: 'bob' }),
    () => ({ kind: 'continue' }),
    () => ({ kind: 'failure', reasonCode: 0, reasonString: '' }),
    async () => ({ kind: 'other' }),
  ];
  for (const step of steps) {
    const access = hooked({ enhanced: () => ({ step }) as AuthenticationExchange });
    assert.equal(await access.beginExchange('X', bob)?.step(null), failed);
  }
});

test.run();
