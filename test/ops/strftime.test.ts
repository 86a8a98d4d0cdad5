/** The reference is date(1), which uses the C library's strftime. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { strftime } from '../../src/ops/strftime.js';
import { run } from '../support/process.js';

const test = suite('strftime');

const seconds = 1_700_000_003;
const wallMs = seconds * 1000 + 999;
const zone = process.env.TZ;

test.after.each(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

test('writes the format of the Mosquitto manual', () => {
  process.env.TZ = 'UTC';

  assert.is(strftime('%Y-%m-%dT%H:%M:%S', wallMs), '2023-11-14T22:13:23');
});

test('agrees with date(1) about every conversion, on days around each turn of a year', async () => {
  const names = 'a A b B c C d D e F g G h H I j k l m M n p P r R s S t T u U V w W x X y Y z %';
  const format = names
    .split(' ')
    .map((name) => `${name}=[%${name}]`)
    .join(';');
  for (const TZ of ['UTC', 'America/St_Johns', 'Asia/Kolkata']) {
    process.env.TZ = TZ;
    for (let year = 2020; year < 2027; year++) {
      const at = Date.UTC(year, 11, 29, 23, 59, 9) / 1000;
      const days = [0, 1, 2, 3, 4, 5, 6, 190].map((day) => at + day * 86_400);
      const dates = days.map((day) => `@${day}\n`).join('');
      const expected = await dateOf(dates, format, TZ);
      const actual = days.map((day) => strftime(format, day * 1000)).join('\n');

      assert.is(actual, expected, `${TZ}, ${year}`);
    }
  }
});

test('knows the filling flags and ignores modifiers', () => {
  process.env.TZ = 'UTC';
  const march = Date.UTC(2024, 2, 5, 4, 7, 8);

  assert.is(strftime('%-d %_d %-H %0e %Ey %Od', march), '5  5 4 05 24 05');
});

test('names the time zone', () => {
  process.env.TZ = 'UTC';

  assert.is(strftime('%Z', wallMs), 'UTC');
});

test('leaves alone what is no conversion', () => {
  assert.is(strftime('100 % of %Q%', wallMs), '100 % of %Q%');
  assert.is(strftime('', wallMs), '');
});

/** What date(1) says about the times, one per line. */
async function dateOf(dates: string, format: string, TZ: string): Promise<string> {
  const script = 'printf %s "$0" | date -f - "+$1"';
  const { stdout, code } = await run('sh', ['-c', script, dates, format], {
    env: { TZ, LC_ALL: 'C' },
  });
  assert.is(code, 0);
  return stdout;
}

test.run();
