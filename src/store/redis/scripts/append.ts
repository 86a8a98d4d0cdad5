/**
 * The script of the usual write: messages, what is acknowledged, what was sent. Hot path: most of
 * what Redis does for a broker is this.
 *
 *     KEYS  s q
 *     ARGV  1 head  2 messages, one entry  3 numbers that are done, as text
 *     reply number of the first message (or of the next one), -1 stale, -2 gone,
 *           -3 a limit or numbers that gave way are in the way: take the session script;
 *           {number, owner, is stale} when the session is connected to another writer's node, or
 *           the epoch is stale: then nothing but the messages is taken
 *
 * Nothing is changed unless all is taken. A call that the session has seen is answered as it was,
 * but still writes: WAIT counts replicas up to this connection's last write.
 */
import { TRIM_BYTES, TRIM_MESSAGES } from '../tuning.js';
import { HEADER, HEADER_VERSION, LATE, OTHER_VERSION } from './header.js';
import { Script } from './script.js';
import { REGISTER } from './snippets.js';

/** writer, call, epoch, nextSeq, firstSeq, done, messages, payload bytes, two limits. */
export const APPEND_HEAD = '>c8I6I8I6I6I6I4I6I6I6';
export const APPEND_HEAD_BYTES = 62;

export const appendScript = new Script(
  'append',
  `
${REGISTER}
local call, unpack, pack = redis.call, struct.unpack, struct.pack
local s, q = KEYS[1], KEYS[2]
local raw = call('HGET', s, 'h')
if not raw then return -2 end
local writer, n, epoch, next, first, dones, k, size, max, bytesmax =
  unpack('${APPEND_HEAD}', ARGV[1])
if string.byte(raw) ~= ${HEADER_VERSION} then return redis.error_reply('${OTHER_VERSION}') end
local v, E, e, f, x, holes, B, fb, flags, ts, tb, num, w, wn, wr, owner = unpack('${HEADER}', raw)
local isElsewhere = owner ~= '' and string.sub(owner, -8) ~= writer
local isStale = epoch ~= E and (epoch ~= 0 or first > 0 or next > 0)
if w == writer then
  if wn == n then
    call('HSET', s, 'h', raw)
    if isElsewhere or isStale then
      return { wr, isElsewhere and owner or '', isStale and 1 or 0 }
    end
    return wr
  end
  if n < wn then return redis.error_reply('${LATE}') end
else
  local mark = call('HGET', s, 'w' .. writer)
  if mark then
    local mn, mr = unpack('>I6I6', mark)
    if mn == n then
      call('HSET', s, 'h', raw)
      if isElsewhere or isStale then
        return { mr, isElsewhere and owner or '', isStale and 1 or 0 }
      end
      return mr
    end
    if n < mn then return redis.error_reply('${LATE}') end
  end
end
if flags >= 8 then return -2 end
if isStale then
  if k == 0 then return -1 end
  first, next = 0, 0
end
local before, below = e, B
local hadDone = flags >= 4
if first > 0 then
  if first < f or flags % 4 >= 2 then return -3 end
  if first > e then e = first end
  f = first
  holes = dones
  flags = dones > 0 and 4 or 0
end
if x < next then x = next end
if x < f then x = f end
-- A failover lost what was acknowledged: numbers that a client has seen are not given again.
if e < x then e = x end
if k > 0 then
  if max > 0 and e - f - holes + k > max then return -3 end
  if bytesmax > 0 and B - fb + size > bytesmax then return -3 end
end
local reply = e
if f > ts then
  local lag = f - ts
  local about = B - tb
  if f < before then about = math.floor(about * lag / (before - ts)) end
  if lag >= ${TRIM_MESSAGES} or about >= ${TRIM_BYTES} or (k == 0 and f == e) then
    call('XTRIM', q, 'MINID', f)
    ts = f
    tb = tb + about
  end
end
if k > 0 then
  e = e + k
  if bytesmax > 0 then
    call('XADD', q, (e - 1) .. '-' .. k, 'd', ARGV[2], 'b', B)
  else
    call('XADD', q, (e - 1) .. '-' .. k, 'd', ARGV[2])
  end
  B = B + size
end
call('HSET', s, 'h', pack('${HEADER}',
  v, E, e, f, x, holes, B, fb, flags, ts, tb, num, writer, n, reply, #owner, owner))
if first > 0 then
  if dones > 0 then call('HSET', s, 'd', ARGV[3])
  elseif hadDone then call('HDEL', s, 'd') end
end
if w ~= writer and call('HSET', s, 'w' .. w, pack('>I6I6', wn, wr)) == 1 then register(s, w) end
if isElsewhere or isStale then
  return { reply, isElsewhere and owner or '', isStale and 1 or 0 }
end
return reply
`,
);
