import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseTime } from '../../src/history/when.js';

const test = suite('points in time');
const nowMs = Date.UTC(2026, 10, 22, 12);

test('times with their zone, and dates in UTC', () => {
  for (const [text, ms] of [
    ['2026-11-22T10:00:00Z', Date.UTC(2026, 10, 22, 10)],
    ['2026-11-22T10:00Z', Date.UTC(2026, 10, 22, 10)],
    ['2026-11-22 10:00:00.250z', Date.UTC(2026, 10, 22, 10, 0, 0, 250)],
    ['2026-11-22T10:00:00+01:30', Date.UTC(2026, 10, 22, 8, 30)],
    ['2026-11-22', Date.UTC(2026, 10, 22)],
  ] as const) {
    assert.is(parseTime(text, nowMs), ms, text);
  }
});

test('ages', () => {
  for (const [text, seconds] of [
    ['-3600', 3_600],
    ['90s', 90],
    ['-15m', 900],
    ['2h', 7_200],
    ['7d', 604_800],
    ['1w', 604_800],
  ] as const) {
    assert.is(parseTime(text, nowMs), nowMs - seconds * 1000, text);
  }
});

test('anything else is none', () => {
  const wrong = ['', '3600', '-', '1.5h', '5y', 'now', '2026', '2026-11-22T10:00:00', '2026-13-01'];
  for (const text of [...wrong, '2026-11-22T25:00Z', '22.11.2026', '-3600 ']) {
    assert.is(parseTime(text, nowMs), null, text);
  }
});

test.run();
