import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LineFormat, LogEntry } from '../../src/ops/log-entry.js';
import { entry } from './support.js';

const test = suite('log entry');

const iso = new LineFormat({ timestamp: true, timestampFormat: null });
const wallMs = 1_700_000_000_123;

test('is one object of JSON with level, time, fields and event', () => {
  const fields = { clientId: 'dev1', keepAlive: 60, sessionPresent: false, username: null };
  const { json } = new LogEntry(iso, wallMs, 'notice', 'client connected', fields);

  assert.ok(json.endsWith('}\n'));
  assert.equal(JSON.parse(json), {
    level: 'notice',
    time: '2023-11-14T22:13:20.123Z',
    ...fields,
    event: 'client connected',
  });
});

test('leaves out fields without a value', () => {
  const made = entry('notice', 'x', { a: undefined, b: null, c: '' });

  assert.equal(JSON.parse(made.json), { level: 'notice', b: null, c: '', event: 'x' });
  assert.is(made.bare, 'x c=""');
});

test('is one line for people, with time and level', () => {
  const made = new LogEntry(iso, wallMs, 'warning', 'slow', { clientId: 'a b', count: 3 });

  assert.is(made.bare, 'slow clientId="a b" count=3');
  assert.is(made.timed, '2023-11-14T22:13:20.123Z: slow clientId="a b" count=3');
  assert.is(made.human, '2023-11-14T22:13:20.123Z: warning     slow clientId="a b" count=3\n');
});

test('has no time when log_timestamp is false', () => {
  const made = entry('error', 'broken', { code: 1 });

  assert.is(made.timed, 'broken code=1');
  assert.is(made.human, 'error       broken code=1\n');
  assert.is(made.json, '{"level":"error","code":1,"event":"broken"}\n');
});

test('takes the time in the wanted format, which cannot break the line', () => {
  const format = new LineFormat({ timestamp: true, timestampFormat: '%s%n"x"' });
  const made = new LogEntry(format, wallMs, 'error', 'e', {});

  assert.is(made.timed, '1700000000\\u000a"x": e');
  assert.is(JSON.parse(made.json).time, '1700000000\n"x"');
});

const hostile = [
  'a\nerror everything is lost',
  'a\r\nb',
  '\u001b[2J\u001b]0;title\u0007',
  '\u009b31m',
  'nul\u0000',
  'line\u2028separator\u2029',
  'right\u202eto left\u2066',
  'zero\u200bwidth\ufeff',
  '\u{e0041}tag',
  '" clientId="admin',
  'a=b',
  '\ud800 alone',
  '\\',
];

for (const value of hostile) {
  test(`cannot be forged with ${JSON.stringify(value)}`, () => {
    const made = entry('notice', 'client connected', { clientId: value, next: 1 });
    const lines = [made.json, made.human, `${made.timed}\n`, `${made.bare}\n`];

    for (const line of lines) {
      assert.is(line.indexOf('\n'), line.length - 1);
      assert.not.match(line.slice(0, -1), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }
    assert.is(JSON.parse(made.json).clientId, value);
    const quoted = /^client connected clientId=(".*") next=1$/.exec(made.bare)?.[1];
    assert.is(JSON.parse(quoted ?? ''), value);
  });
}

test('shortens what a client may make 65 535 bytes long', () => {
  const made = entry('notice', 'x', { clientId: 'c'.repeat(65_535), other: 'whole' });

  assert.is(JSON.parse(made.json).clientId, `${'c'.repeat(512)}…`);
  assert.is(JSON.parse(made.json).other, 'whole');
  assert.ok(made.bare.length < 600);
});

for (const level of [
  'debug',
  'information',
  'notice',
  'warning',
  'error',
  'subscribe',
  'unsubscribe',
  'websockets',
] as const) {
  test(`names the level ${level} in JSON`, () => {
    assert.is(JSON.parse(entry(level, 'x').json).level, level);
  });
}

test.run();
