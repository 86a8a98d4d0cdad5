// slow
/** The Lua of the fake Redis does what the Lua of a real one does. */
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { redisFor } from '../../support/redis-for.js';
import { Database } from '../redis/database.js';
import { ErrorReply, type Reply, Status } from '../redis/reply.js';
import { loadScript, runScript } from '../redis/scripting.js';

const test = suite('lua');
const redis = redisFor(test);

const context = { nowUs: () => 0, below: () => 0 };

function ours(source: string, args: readonly string[]): unknown {
  try {
    return plain(runScript(loadScript(source), ['k'], args, new Database(), context));
  } catch (error) {
    if (error instanceof ErrorReply) return 'an error';
    throw error;
  }
}

async function real(source: string, args: readonly string[]): Promise<unknown> {
  await redis.server.command('DEL', 'k');
  try {
    return await redis.server.command('EVAL', source, '1', 'k', ...args);
  } catch {
    return 'an error';
  }
}

/** As ioredis gives it. */
function plain(reply: Reply): unknown {
  if (reply instanceof Status) return reply.text;
  if (reply instanceof ErrorReply) return 'an error';
  if (Array.isArray(reply)) return reply.map(plain);
  return typeof reply === 'string' ? Buffer.from(reply, 'latin1').toString() : reply;
}

const HEX = `
local function hex(text)
  local out = {}
  for at = 1, #text do out[at] = string.format('%x', string.byte(text, at)) end
  return table.concat(out, ' ')
end
`;

/** Scripts of numbers: ARGV has two. */
const withNumbers = [
  'return { tostring(tonumber(ARGV[1])), tostring(ARGV[1] + ARGV[2]), ARGV[1] - ARGV[2] }',
  "return { ARGV[1] * 3 .. '', (ARGV[1] % 7) .. '-' .. math.floor(ARGV[2] / 3) }",
  "return { string.format('%.0f|%d|%s', ARGV[1], ARGV[2], ARGV[1] + 0), ARGV[1] * 1 }",
  'return { tostring(math.max(ARGV[1], ARGV[2])), tostring(math.min(1, ARGV[1] + 0, 5)) }',
  'local a, b = tonumber(ARGV[1]), tonumber(ARGV[2]) return { a < b and 1 or 0, a <= b, a == b }',
  `${HEX} return hex(struct.pack('>I6I8', math.abs(ARGV[1]), math.abs(ARGV[2])))`,
  `${HEX} return hex(cmsgpack.pack({ ARGV[1] + 0, { ARGV[2] + 0 }, ARGV[1], {}, false, true }))`,
  "return { struct.unpack('>I8I6', struct.pack('>I8I6', math.abs(ARGV[1]), math.abs(ARGV[2]))) }",
  "return { (struct.unpack('>d', struct.pack('>d', ARGV[1]))), #struct.pack('>df', 1, 2) }",
  'return cmsgpack.unpack(cmsgpack.pack({ ARGV[1] + 0, { ARGV[2] + 0, ARGV[1] }, 1 }))',
  "redis.call('HSET', KEYS[1], 'f', ARGV[1] + ARGV[2]) return redis.call('HGETALL', KEYS[1])",
  "redis.call('ZADD', KEYS[1], ARGV[1], 'm') return redis.call('ZSCORE', KEYS[1], 'm')",
  'local t = { 1, 2, 3, 4, 5 } table.remove(t, math.abs(ARGV[1]) % 5 + 1) return t',
  'return { pcall(struct.unpack, ">I8", ARGV[1]), (pcall(error, ARGV[2])) }',
  'local n = 0 for at = 10, 1, -3 do n = n + at end repeat n = n - 4 until n < 3 return n',
  'local function f(...) return select("#", ...), ... end return { f(ARGV[1], ARGV[2], nil, 4) }',
  'return { bit.band(ARGV[1], 255), bit.bor(ARGV[1], 1), bit.bxor(ARGV[2], 15) }',
];

/** Scripts of texts: ARGV has two. */
const withTexts = [
  "return { string.match(ARGV[1], '^(%d+)-(%d+)$') }",
  "return { string.match(ARGV[1], '^(.*):(%d+):?(%d*)$') }",
  "local out = {} for one in string.gmatch(ARGV[1], '%d+') do out[#out + 1] = one end return out",
  'return { string.sub(ARGV[1], 2), string.sub(ARGV[1], -3), string.sub(ARGV[1], 2, -2) }',
  'return { string.find(ARGV[1], ARGV[2], 1, true) }',
  "return { string.gsub(ARGV[1], '[a-c]+', '<%0>') }",
  "return { tonumber(ARGV[1]) or 'none', #ARGV[1], ARGV[1] == ARGV[2], ARGV[1] < ARGV[2] }",
  "return { string.byte(ARGV[1], 1, 3), string.match(ARGV[1], '[^%s:]*(.-)$') }",
  "redis.call('XADD', KEYS[1], '5-1', 'a', ARGV[1]) return redis.call('XRANGE', KEYS[1], '-', '+')",
  'return { redis.sha1hex(ARGV[1]), ARGV[1] and ARGV[2] or 1, not ARGV[1] }',
  'return { err = ARGV[1] }',
  "if ARGV[1] > ARGV[2] then error({ err = 'ERR x' }) elseif ARGV[1] == '' then return 1 end",
  "local t = { [1] = ARGV[1], x = 2, ARGV[2] } return { #t, t.x, t[1], next({}) == nil, 'end' }",
];

const number = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }),
  fc.integer({ min: 0, max: 2 ** 47 }),
  fc.integer({ min: 1_600_000_000_000_000, max: 1_900_000_000_000_000 }),
  fc.integer({ min: -99_999, max: 99_999 }).map((whole) => whole / 100),
  fc.integer({ min: -9_999, max: 9_999 }).map((whole) => whole / 2),
);
const text = fc.string({
  unit: fc.constantFrom(...'abc 0123456789-:.,x%()[]', '\n', '\u00e9'),
  maxLength: 14,
});

for (const [scripts, value] of [
  [withNumbers, number.map(String)],
  [withTexts, text],
] as const) {
  for (const source of scripts) {
    test(`a real server gives the same: ${source.split('\n').at(-1)}`, async () => {
      const property = fc.asyncProperty(value, value, async (a, b) => {
        assert.equal(ours(source, [a, b].map(toBytes)), await real(source, [a, b]));
      });
      await fc.assert(property, { numRuns: 60, includeErrorInReport: true });
    });
  }
}

function toBytes(value: string): string {
  return Buffer.from(value).toString('latin1');
}

test.run();
