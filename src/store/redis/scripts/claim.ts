/**
 * The scripts around the beginning and the end of a session's life.
 *
 * `claim`: a client connects, or (flag "visits") somebody looks after what a session left.
 *
 *     KEYS  s q r d
 *     ARGV  1 writer, call, flags  2 node  3 client  4 expiry interval  5 will  6 its delay
 *     reply {epoch, 1, owner before, last will, fields of s, fields of r}, or
 *           {epoch, 0, owner before, last will, filters of the session before}; epoch 0: nothing
 *           is stored; owner before: another writer's node, or empty; last will: empty, or {node,
 *           client, will}: to be published now by that node, and if that is dead or nobody, by
 *           whoever claims
 *
 * `settle`: the map knows of the changes of a call.
 *
 *     KEYS  s
 *     ARGV  1 call  2… filters that are gone
 *
 * `purge`: the map knows that the session has ended.
 *
 *     KEYS  s
 *     ARGV  1 epoch
 *     reply 0: there is another session now
 */
import { SEEN_TO_MS } from '../tuning.js';
import { FLAGS_AT, HEADER_VERSION, HeaderFlag } from './header.js';
import { Script } from './script.js';
import { ENDING, HEADER_TABLE, REGISTER } from './snippets.js';

/** Writer, call, flags. */
export const CLAIM_HEAD = '>c8I6I1';
export const CLAIM_HEAD_BYTES = 15;
export const ClaimFlag = { CleanStart: 1, Durable: 2, HasWill: 4, Visits: 8, Ends: 16 } as const;

/**
 * What becomes of the will of the connection before. Its broker publishes it when it closes that
 * connection, or has when it closed: but not one with a delay, which ends with the session, and is
 * cancelled by a client that comes back to it before. Who has adopted the session publishes it as
 * well. A core knows itself what was connected to it, or disconnected from it.
 */
const LAST_WILL = `
local function lastWill(H, before, goesOn, nowMs)
  local will, info, expiry, delay, at, k =
    unpack(redis.call('HMGET', s, 'v', 'i', 'x', 'wd', 'wt', 'k'))
  if not will or (H.owner ~= '' and before == '') then return {} end
  local isDelayed = H.flags < ${HeaderFlag.Transient} and expiry ~= '0' and tonumber(delay or 0) > 0
  local by = ''
  if before ~= '' then
    if not isDelayed then by = before
    elseif goesOn then return {} end
  else
    local keeper, mark, since = string.match(k or '', '^(.*):(%d+):(%d+)$')
    local isKept = keeper and since + ${SEEN_TO_MS} > nowMs
    local isOwn = keeper == ARGV[2] and not goesOn
    if isKept and (mark ~= '0' or not isDelayed or isOwn) then by = keeper
    elseif goesOn and (tonumber(at or 'inf') or math.huge) > nowMs then return {} end
  end
  return { by, info or '', will }
end
`;

export const claimScript = new Script(
  'claim',
  `
${REGISTER}
${HEADER_TABLE}
${ENDING}
local call = redis.call
local s, q, r, d = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
${LAST_WILL}
local writer, n, flags = struct.unpack('${CLAIM_HEAD}', ARGV[1])
local clean = bit.band(flags, ${ClaimFlag.CleanStart}) ~= 0
local durable = bit.band(flags, ${ClaimFlag.Durable}) ~= 0
local visits = bit.band(flags, ${ClaimFlag.Visits}) ~= 0
local raw = call('HGET', s, 'h')
local H = raw and decode(raw)
local before = H and isElsewhere(H, writer) and H.owner or ''
local function state(epoch, before, will)
  return { epoch, 1, before, will, call('HGETALL', s), call('HGETALL', r) }
end
if H then
  local last = answered(s, H, writer, n)
  if last then
    local epoch, present, owner, will, filters = unpack(cmsgpack.unpack(last))
    if present == 1 then return state(epoch, owner, will) end
    return { epoch, 0, owner, will, filters }
  end
end
local time = call('TIME')
local us = time[1] * 1000000 + time[2]
local ended = H and H.flags >= ${HeaderFlag.Ended}
if visits then
  if not H or ended or before ~= '' then return { '0', 0, '', {}, {} } end
  local keeper, since = string.match(call('HGET', s, 'k') or '', '^(.*):%d+:(%d+)$')
  -- An earlier life of this broker is over.
  local isOther = keeper and string.sub(keeper, 1, -10) ~= string.sub(ARGV[2], 1, -10)
  if isOther and since + ${SEEN_TO_MS} > us / 1000 then
    return { '0', 0, '', {}, {} }
  end
  call('HSET', s, 'k', ARGV[2] .. ':0:' .. string.format('%.0f', us / 1000))
  H.E = math.max(H.E + 1, us)
  local text = string.format('%.0f', H.E)
  save(s, H, writer, n, cmsgpack.pack({ text, 1, '', {}, {} }))
  return state(text, '', {})
end
if H and not ended and H.owner == '' then
  local over = tonumber(call('HGET', s, 't') or 'inf')
  if over and over <= us / 1000 then clean = true end
end
local present = H and not ended and not clean and durable
local goesOn = present and bit.band(flags, ${ClaimFlag.Ends}) == 0
local will = H and lastWill(H, before, goesOn, us / 1000) or {}
local birth = call('HGET', s, 'b')
local epoch = H and math.max(H.E + 1, us) or us
local text = string.format('%.0f', epoch)
local filters = {}
if not present then
  if H then
    filters = traces(s)
    bury(s, q, r, d, filters)
  end
  birth = text
  H = { v = ${HEADER_VERSION}, e = 1, f = 1, x = 1, holes = 0, B = 0, fb = 0, flags = 0,
    ts = 1, tb = 0, num = 1,
    w = writer, wn = n, wr = 0, owner = '' }
  if not durable then H.flags = ${HeaderFlag.Ended + HeaderFlag.Transient} end
end
H.E = epoch
if present and H.owner ~= '' then call('HSET', s, 'u', H.e) end
H.owner = ARGV[2]
call('HDEL', s, 't', 'wt', 'k')
call('HSET', s, 'b', birth, 'i', ARGV[3], 'x', ARGV[4], 'wd', ARGV[6])
if bit.band(flags, ${ClaimFlag.HasWill}) ~= 0 then
  call('HSET', s, 'v', ARGV[5])
else
  call('HDEL', s, 'v')
end
if #filters > 0 or (present and call('HEXISTS', s, 'p') == 1) then
  call('HSET', s, 'p', writer .. ':' .. n)
end
if present then
  save(s, H, writer, n, cmsgpack.pack({ text, 1, before, will, {} }))
  return state(text, before, will)
end
save(s, H, writer, n, cmsgpack.pack({ text, 0, before, will, filters }))
return { text, 0, before, will, filters }
`,
);

export const settleScript = new Script(
  'settle',
  `
local call, s = redis.call, KEYS[1]
if call('HGET', s, 'p') ~= ARGV[1] then return 0 end
call('HDEL', s, 'p')
for at = 2, #ARGV do call('HDEL', s, '-' .. ARGV[at]) end
return 1
`,
);

export const purgeScript = new Script(
  'purge',
  `
local s = KEYS[1]
local raw = redis.call('HGET', s, 'h')
if not raw then return 1 end
local version, epoch = struct.unpack('>I1I8', raw)
local flags = struct.unpack('>I1', raw, ${FLAGS_AT + 1})
if flags < ${HeaderFlag.Ended} or flags >= ${HeaderFlag.Transient} then return 0 end
if string.format('%.0f', epoch) ~= ARGV[1] then return 0 end
return redis.call('DEL', s)
`,
);
