/**
 * The scripts of sessions whose client is nowhere, and of what transient clients leave.
 *
 * `load`: how is this session?
 *
 *     KEYS  s
 *     reply nil, or {flags, owner, i, t, v, wt, has changes for the map, epoch, messages}
 *
 * `orphan`: the node that a session is connected to is dead.
 *
 *     KEYS  s
 *     ARGV  1 node
 *     reply nil: it is not that node's any more, or {epoch, score, is due, is transient}, or
 *           {epoch, filters} of a transient one without a will: it is gone
 *
 * `adopt`: an offline session is due; who asks first looks after it.
 *
 *     KEYS  s
 *     ARGV  1 node  2 call  3 epoch; 0: any, but only if it is due and nobody sees to it
 *           4 a node that sees to nothing, as it is dead, or empty
 *     reply {epoch, flags, i, t, v, wt, messages}, or {0, score, node}: it is not to be; score:
 *           what the list of offline ones should say, empty: what it says, `gone`: nothing;
 *           node: sees to it
 *
 * `leave`: a transient client is gone, and so is its will.
 *
 *     KEYS  s
 *     ARGV  1 epoch
 *     reply nil: it is not that one any more, or filters that the map must forget
 *
 * `correct`: the list of offline sessions, where it still says what was read.
 *
 *     KEYS  z
 *     ARGV  (client, score, score from now on or `gone`)…
 *
 * Field `k` of a session is `<node>:<call>:<milliseconds>`: that node sees to what is due, until
 * `SEEN_TO_MS` after that.
 */
import { SEEN_TO_MS } from '../tuning.js';
import { HeaderFlag } from './header.js';
import { Script } from './script.js';
import { ENDING, HEADER_TABLE, REGISTER } from './snippets.js';

/** Where a script says that nothing should be on the list of offline sessions. */
export const OFF_THE_LIST = 'gone';

const DUE = `
local function textOf(ms)
  if ms == math.huge then return 'inf' end
  return string.format('%.0f', ms)
end
-- When an offline session is due: at the time of its will, or at its end.
local function dueAt(s)
  local over, will, willAt = unpack(redis.call('HMGET', s, 't', 'v', 'wt'))
  local due = tonumber(over or 'inf') or math.huge
  if will then due = math.min(due, tonumber(willAt or 'inf') or math.huge) end
  return due
end
local function nowMs()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
-- Ends a transient session; what the map has still to forget of an earlier one stays.
local function discard(s, H)
  local filters = traces(s)
  if #filters == 0 then
    redis.call('DEL', s)
    return filters
  end
  strip(s)
  for _, filter in ipairs(filters) do redis.call('HSET', s, '-' .. filter, '') end
  H.flags, H.owner = ${HeaderFlag.Ended}, ''
  redis.call('HSET', s, 'h', encode(H))
  return filters
end
`;

export const loadScript = new Script(
  'load',
  `
${REGISTER}
${HEADER_TABLE}
local call, s = redis.call, KEYS[1]
local raw = call('HGET', s, 'h')
if not raw then return false end
local H = decode(raw)
local f = call('HMGET', s, 'i', 't', 'v', 'wt', 'p')
return { H.flags, H.owner, f[1] or '', f[2] or 'inf', f[3], f[4] or 'inf', f[5] and 1 or 0,
  string.format('%.0f', H.E), H.e - H.f - H.holes }
`,
);

export const orphanScript = new Script(
  'orphan',
  `
${REGISTER}
${HEADER_TABLE}
${ENDING}
${DUE}
local call, s = redis.call, KEYS[1]
local raw = call('HGET', s, 'h')
if not raw then return false end
local H = decode(raw)
local transient = H.flags >= ${HeaderFlag.Transient}
if H.flags >= ${HeaderFlag.Ended} and not transient then return false end
local now = nowMs()
if H.owner == ARGV[1] then
  local expiry, delay, will = unpack(call('HMGET', s, 'x', 'wd', 'v'))
  H.E = H.E + 1
  if transient and not will then return { textOf(H.E), discard(s, H) } end
  H.owner = ''
  local over, willAt = now, now
  if not transient then
    expiry = tonumber(expiry or '0')
    over = expiry < 4294967295 and now + expiry * 1000 or math.huge
    willAt = will and now + tonumber(delay or '0') * 1000 or math.huge
    call('HSET', s, 'u', H.e)
  end
  call('HSET', s, 't', textOf(over), 'wt', textOf(willAt))
elseif H.owner ~= '' then
  return false
end
-- Also when an earlier attempt did that: WAIT counts replicas up to the last write.
call('HSET', s, 'h', encode(H))
local due = dueAt(s)
return { textOf(H.E), textOf(due), due <= now and 1 or 0, transient and 1 or 0 }
`,
);

export const adoptScript = new Script(
  'adopt',
  `
${REGISTER}
${HEADER_TABLE}
${ENDING}
${DUE}
local call, s = redis.call, KEYS[1]
local node, n, expected, dead = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local raw = call('HGET', s, 'h')
if not raw then return { 0, '${OFF_THE_LIST}', '' } end
local H = decode(raw)
local hasEnded = H.flags >= ${HeaderFlag.Ended} and H.flags < ${HeaderFlag.Transient}
if hasEnded or H.owner ~= '' then return { 0, '${OFF_THE_LIST}', '' } end
local now = nowMs()
local keeper, mark, since = string.match(call('HGET', s, 'k') or '', '^(.*):(%d+):(%d+)$')
local isRepeat = keeper == node and mark == n
if not isRepeat then
  local isSeenTo = keeper and keeper ~= dead and since + ${SEEN_TO_MS} > now
  if expected == '0' then
    local due = dueAt(s)
    if due > now then return { 0, textOf(due), '' } end
    if isSeenTo then return { 0, '', keeper } end
  elseif string.format('%.0f', H.E) ~= expected or (isSeenTo and keeper ~= node) then
    return { 0, '', '' }
  end
  H.E = H.E + 1
end
call('HSET', s, 'h', encode(H), 'k', node .. ':' .. n .. ':' .. textOf(now))
local f = call('HMGET', s, 'i', 't', 'v', 'wt')
return { textOf(H.E), H.flags, f[1] or '', f[2] or 'inf', f[3], f[4] or 'inf',
  H.e - H.f - H.holes }
`,
);

export const leaveScript = new Script(
  'leave',
  `
${REGISTER}
${HEADER_TABLE}
${ENDING}
${DUE}
local s = KEYS[1]
local raw = redis.call('HGET', s, 'h')
if not raw then return false end
local H = decode(raw)
if H.flags < ${HeaderFlag.Transient} or textOf(H.E) ~= ARGV[1] then return false end
return discard(s, H)
`,
);

export const correctScript = new Script(
  'correct',
  `
local call, z = redis.call, KEYS[1]
local gone = {}
for at = 1, #ARGV, 3 do
  if call('ZSCORE', z, ARGV[at]) == ARGV[at + 1] then
    if ARGV[at + 2] == '${OFF_THE_LIST}' then gone[#gone + 1] = ARGV[at]
    else call('ZADD', z, ARGV[at + 2], ARGV[at]) end
  end
end
-- All at once: see removeFields.
if #gone > 0 then call('ZREM', z, unpack(gone)) end
return 1
`,
);
