/**
 * The scripts around the beginning and the end of a session's life.
 *
 * `claim`: a client connects, or (flag "visits") somebody looks after what a session left.
 *
 *     KEYS  s q r d
 *     ARGV  1 writer, call, flags  2 node  3 client  4 expiry interval  5 will  6 its delay
 *     reply {epoch, is present, fields of s, fields of r}, or
 *           {epoch, 0, filters of the session before}; epoch 0: nothing is stored
 *
 * `load`: a broker starts; sessions that were connected to its predecessor are offline now.
 *
 *     KEYS  s
 *     ARGV  1 node  2 milliseconds
 *     reply nil, or {is ended, owner, i, t, v, wt, has changes for the map, epoch, messages}
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
import { FLAGS_AT, HEADER_VERSION, HeaderFlag } from './header.js';
import { Script } from './script.js';
import { ENDING, HEADER_TABLE, REGISTER } from './snippets.js';

/** Writer, call, flags. */
export const CLAIM_HEAD = '>c8I6I1';
export const CLAIM_HEAD_BYTES = 15;
export const ClaimFlag = { CleanStart: 1, Durable: 2, HasWill: 4, Visits: 8 } as const;

export const claimScript = new Script(
  'claim',
  `
${REGISTER}
${HEADER_TABLE}
${ENDING}
local call = redis.call
local s, q, r, d = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local writer, n, flags = struct.unpack('${CLAIM_HEAD}', ARGV[1])
local clean = bit.band(flags, ${ClaimFlag.CleanStart}) ~= 0
local durable = bit.band(flags, ${ClaimFlag.Durable}) ~= 0
local visits = bit.band(flags, ${ClaimFlag.Visits}) ~= 0
local raw = call('HGET', s, 'h')
local H = raw and decode(raw)
local function state(epoch)
  return { epoch, 1, call('HGETALL', s), call('HGETALL', r) }
end
if H then
  local last = answered(s, H, writer, n)
  if last then
    local epoch, present, filters = unpack(cmsgpack.unpack(last))
    if present == 1 then return state(epoch) end
    return { epoch, 0, filters }
  end
end
local time = call('TIME')
local us = time[1] * 1000000 + time[2]
local ended = H and H.flags >= ${HeaderFlag.Ended}
if visits then
  if not H or ended then return { '0', 0, {} } end
  H.E = math.max(H.E + 1, us)
  local text = string.format('%.0f', H.E)
  save(s, H, writer, n, cmsgpack.pack({ text, 1, {} }))
  return state(text)
end
if H and not ended and H.owner == '' then
  local over = tonumber(call('HGET', s, 't') or 'inf')
  if over and over <= us / 1000 then clean = true end
end
local present = H and not ended and not clean and durable
local birth = call('HGET', s, 'b')
local epoch = H and math.max(H.E + 1, us) or us
local text = string.format('%.0f', epoch)
local filters = {}
if not present then
  if H then
    filters = traces(s)
    bury(s, q, r, d, filters)
    if not durable and #filters == 0 then return { text, 0, {} } end
  elseif not durable then
    return { '0', 0, {} }
  end
  birth = text
  H = { v = ${HEADER_VERSION}, e = 1, f = 1, x = 1, holes = 0, B = 0, fb = 0, flags = 0,
    ts = 1, tb = 0, num = 1,
    w = writer, wn = n, wr = 0, owner = '' }
end
H.E = epoch
if not durable then
  H.flags = ${HeaderFlag.Ended}
  save(s, H, writer, n, cmsgpack.pack({ text, 0, filters }))
  return { text, 0, filters }
end
if present and H.owner ~= '' then call('HSET', s, 'u', H.e) end
H.owner = ARGV[2]
call('HDEL', s, 't', 'wt')
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
  save(s, H, writer, n, cmsgpack.pack({ text, 1, {} }))
  return state(text)
end
save(s, H, writer, n, cmsgpack.pack({ text, 0, filters }))
return { text, 0, filters }
`,
);

export const loadScript = new Script(
  'load',
  `
${REGISTER}
${HEADER_TABLE}
local call, s = redis.call, KEYS[1]
local raw = call('HGET', s, 'h')
if not raw then return false end
local H = decode(raw)
if H.flags < ${HeaderFlag.Ended} and H.owner == ARGV[1] then
  local now = tonumber(ARGV[2])
  local expiry, delay, will = unpack(call('HMGET', s, 'x', 'wd', 'v'))
  local over, willAt = 'inf', 'inf'
  expiry = tonumber(expiry or '0')
  if expiry < 4294967295 then over = string.format('%.0f', now + expiry * 1000) end
  if will then willAt = string.format('%.0f', now + tonumber(delay or '0') * 1000) end
  H.E = H.E + 1
  H.owner = ''
  call('HSET', s, 'h', encode(H), 't', over, 'wt', willAt, 'u', H.e)
end
local f = call('HMGET', s, 'i', 't', 'v', 'wt', 'p')
return { H.flags, H.owner, f[1] or '', f[2] or 'inf', f[3], f[4] or 'inf', f[5] and 1 or 0,
  string.format('%.0f', H.E), H.e - H.f - H.holes }
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
if struct.unpack('>I1', raw, ${FLAGS_AT + 1}) < ${HeaderFlag.Ended} then return 0 end
if string.format('%.0f', epoch) ~= ARGV[1] then return 0 end
return redis.call('DEL', s)
`,
);
