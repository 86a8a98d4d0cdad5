/**
 * The script that can do everything to a session, for writes that are more than messages, and for
 * messages that a limit or a mark may keep out. It works through one segment after the other.
 *
 *     KEYS  s q r d
 *     ARGV  1 writer, call, seconds; then for each segment:
 *           head  done  released  held  forgotten  [end of session, will, time of will,
 *           QoS 2 in flight]
 *           (filter, subscription)…  (unsubscribed filter)…  (head, message, publisher)…
 *     reply one answer per segment: number of the first message (or of the next one), -1 stale,
 *           {-1, what the messages were answered} stale, -2 gone,
 *           {first, one digit of Taken per message, numbers that gave way},
 *           {filters, epoch, what the messages were answered} of a session
 *           that has ended; then its owner, when it is connected to another writer's node
 */
import { MARKS_MAX, SHARED_MARKS_BYTES } from '../tuning.js';
import { HeaderFlag } from './header.js';
import { QUEUE } from './queue.js';
import { Script } from './script.js';
import { ENDING, HEADER_TABLE, REGISTER } from './snippets.js';

/** epoch, nextSeq, firstSeq, limits, done, messages, subscribed, unsubscribed, flags. */
export const SEGMENT_HEAD = '>I8I6I6I6I6I4I4I4I4I1';
export const SEGMENT_HEAD_BYTES = 49;
/** Arguments of the end of a connection. */
export const DISCONNECT_PARTS = 4;
export const SegmentFlag = {
  DropsOldest: 1,
  Disconnect: 2,
  HasWill: 4,
  DismissesWill: 8,
  Ends: 16,
  /** More than messages. */
  NeedsOwner: 32,
  /** What was sent before the connection that ends is not known exactly. */
  Unsure: 64,
} as const;

const SETUP = `
local call, unpack, pack = redis.call, struct.unpack, struct.pack
local s, q, r, d = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local raw = call('HGET', s, 'h')
if not raw then return -2 end
local writer, n, now = unpack('>c8I6I6', ARGV[1])
local H = decode(raw)
local function reply(out)
  if isElsewhere(H, writer) then out[#out + 1] = H.owner end
  return out
end
local last = answered(s, H, writer, n)
if last then return reply(cmsgpack.unpack(last)) end
local G, L
`;

const RELEASE = `
-- Inbound and outbound QoS 2: fields of r and their values, false: gone.
local changed = {}
local function release(list)
  local pruned = tonumber(call('HGET', s, 'rp') or '1')
  if H.f - pruned > 1000 then
    local function prune(field)
      if string.byte(field) == 111 and tonumber(string.sub(field, 2)) < H.f then
        changed[field] = false
      end
    end
    for _, field in ipairs(call('HKEYS', r)) do prune(field) end
    for field in pairs(changed) do prune(field) end
  else
    for seq = pruned, H.f - 1 do changed['o' .. seq] = false end
  end
  call('HSET', s, 'rp', H.f)
  for at = 1, #list, 6 do
    local seq = unpack('>I6', list, at)
    if seq >= H.f and seq < H.e then changed['o' .. seq] = '' end
  end
end
local function hold(list)
  for at = 1, #list, 10 do
    local id, number = unpack('>I2I8', list, at)
    changed['i' .. id] = string.format('%.0f', number)
    if number >= H.num then H.num = number + 1 end
  end
end
local function forget(list)
  for at = 1, #list, 2 do changed['i' .. unpack('>I2', list, at)] = false end
end
local function saveReleased()
  local gone = {}
  for field, value in pairs(changed) do
    if value then call('HSET', r, field, value) else gone[#gone + 1] = field end
  end
  if #gone > 0 then removeFields(r, gone) end
end
`;

const MARKS = `
-- The last QoS 2 message of each publisher: it has had all before, too. Of a publisher's messages
-- through a shared subscription (the name begins with NUL) it has some, and a repeated one may come
-- behind later ones: there a bit for each of the last ones, from number "from" on.
local marks, marked = {}, {}
local function lastOf(publisher)
  local last = marks[publisher]
  if not last then
    last = { shared = string.byte(publisher) == 0, birth = 0, number = 0, from = 0, bits = '' }
    local text = call('HGET', d, publisher) or ''
    if last.shared then
      local birth, from, bits = string.match(text, '^(%d+):(%d+):(.*):%d+$')
      if birth then last.birth, last.from, last.bits = tonumber(birth), tonumber(from), bits end
    else
      local birth, number = string.match(text, '^(%d+):(%d+):')
      last.birth, last.number = tonumber(birth) or 0, tonumber(number) or 0
    end
    marks[publisher] = last
  end
  return last
end
-- Index of the byte with a message's bit, and the bit.
local function place(last, number)
  local at = number - last.from
  return math.floor(at / 8), 2 ^ (at % 8)
end
-- A publisher whose session began anew counts from 1 again.
local function isRepeated(publisher, birth, number)
  local last = lastOf(publisher)
  if birth ~= last.birth then return birth < last.birth end
  if not last.shared then return number <= last.number end
  local at, bit_ = place(last, number)
  return at >= 0 and bit.band(string.byte(last.bits, at + 1) or 0, bit_) ~= 0
end
local function markShared(last, number)
  if last.bits == '' then last.from = number - number % 8 end
  local at, bit_ = place(last, number)
  if at < 0 then return end
  local beyond = at - ${SHARED_MARKS_BYTES - 1}
  if beyond > 0 then
    last.bits = string.sub(last.bits, beyond + 1)
    last.from = last.from + 8 * beyond
    at = at - beyond
  end
  local bits = last.bits .. string.rep(string.char(0), at + 1 - #last.bits)
  local byte = string.char(bit.bor(string.byte(bits, at + 1), bit_))
  last.bits = string.sub(bits, 1, at) .. byte .. string.sub(bits, at + 2)
end
local function mark(publisher, birth, number)
  local last = lastOf(publisher)
  if birth ~= last.birth then last.birth, last.bits = birth, '' end
  if last.shared then markShared(last, number) else last.number = number end
  marked[publisher] = true
end
local function saveMarks()
  for publisher in pairs(marked) do
    local last = marks[publisher]
    local text = string.format('%.0f:%.0f:', last.birth, last.shared and last.from or last.number)
    if last.shared then text = text .. last.bits .. ':' end
    call('HSET', d, publisher, text .. string.format('%.0f', now))
  end
  while next(marked) and call('HLEN', d) > ${MARKS_MAX} do
    local oldest, since
    local some = call('HRANDFIELD', d, 16, 'WITHVALUES')
    for at = 1, #some, 2 do
      local seconds = tonumber(string.match(some[at + 1], ':(%d+)$'))
      if not since or seconds < since then oldest, since = some[at], seconds end
    end
    call('HDEL', d, oldest)
  end
  marked = {}
end
`;

const SEGMENT = `
local function subscriptions(at, subscribed, unsubscribed)
  for _ = 1, subscribed do
    call('HSET', s, '+' .. ARGV[at], ARGV[at + 1])
    call('HDEL', s, '-' .. ARGV[at])
    at = at + 2
  end
  for _ = 1, unsubscribed do
    if call('HDEL', s, '+' .. ARGV[at]) == 1 then call('HSET', s, '-' .. ARGV[at], '') end
    at = at + 1
  end
  if subscribed + unsubscribed > 0 then call('HSET', s, 'p', writer .. ':' .. n) end
  return at
end
-- Who disconnects a client sees to its will: others wait a little beyond its time.
local function disconnect(at, hasWill, isUnsure)
  if not isUnsure then keepLapsed(ARGV[at + 3]) end
  if H.owner ~= '' then
    if not isUnsure then call('HDEL', s, 'u') end
    if hasWill and ARGV[at + 2] ~= 'inf' then
      call('HSET', s, 'k', H.owner .. ':0:' .. ARGV[at + 2])
    end
  end
  H.owner = ''
  call('HSET', s, 't', ARGV[at], 'wt', ARGV[at + 2])
  if hasWill then call('HSET', s, 'v', ARGV[at + 1]) else call('HDEL', s, 'v') end
end
local function apply(at, head)
  local released, held, forgotten = ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  at = at + 5
  if head.first > 0 then settle(head.first, head.dones, ARGV[at - 4]) end
  if H.x < head.next then H.x = head.next end
  if H.x < H.f then H.x = H.f end
  if H.e < H.x then H.e = H.x end
  if #released > 0 then release(released) end
  if #held > 0 then hold(held) end
  local ending = at
  if head.disconnects then at = at + ${DISCONNECT_PARTS} end
  local messages = at + 2 * head.subscribed + head.unsubscribed
  local answer = append(messages, head)
  if #forgotten > 0 then forget(forgotten) end
  subscriptions(at, head.subscribed, head.unsubscribed)
  if head.disconnects then
    disconnect(ending, head.hasWill, head.unsure)
    trim(true)
  end
  if head.dismisses then call('HDEL', s, 'v', 'wt', 'wd') end
  if head.ends then
    local filters, lost = traces(s), H.e - H.f - H.holes
    bury(s, q, r, d, filters)
    H.flags = ${HeaderFlag.Ended}
    H.owner = ''
    G, L = nil, nil
    return { filters, string.format('%.0f', H.E), answer, lost }
  end
  return answer
end
`;

const MAIN = `
local out, at = {}, 2
while at <= #ARGV do
  local head = {}
  local epoch, flags
  epoch, head.next, head.first, head.max, head.bytesmax, head.dones, head.k, head.subscribed,
    head.unsubscribed, flags = unpack('${SEGMENT_HEAD}', ARGV[at])
  head.drops = bit.band(flags, ${SegmentFlag.DropsOldest}) ~= 0
  head.disconnects = bit.band(flags, ${SegmentFlag.Disconnect}) ~= 0
  head.hasWill = bit.band(flags, ${SegmentFlag.HasWill}) ~= 0
  head.dismisses = bit.band(flags, ${SegmentFlag.DismissesWill}) ~= 0
  head.ends = bit.band(flags, ${SegmentFlag.Ends}) ~= 0
  head.unsure = bit.band(flags, ${SegmentFlag.Unsure}) ~= 0
  local needsOwner = bit.band(flags, ${SegmentFlag.NeedsOwner}) ~= 0
  if H.flags >= ${HeaderFlag.Ended} then
    out[#out + 1] = -2
  elseif epoch ~= H.E and (epoch ~= 0 or needsOwner) then
    -- Its messages are for whoever has the session, in their place.
    local messages = at + 5 + 2 * head.subscribed + head.unsubscribed
    if head.disconnects then messages = messages + ${DISCONNECT_PARTS} end
    out[#out + 1] = head.k > 0 and { -1, append(messages, head) } or -1
  else
    out[#out + 1] = apply(at, head)
  end
  at = at + 5 + 2 * head.subscribed + head.unsubscribed + 3 * head.k
  if head.disconnects then at = at + ${DISCONNECT_PARTS} end
end
if H.flags < ${HeaderFlag.Ended} then
  trim(false)
  saveQueue()
  saveReleased()
  saveMarks()
end
save(s, H, writer, n, cmsgpack.pack(out))
return reply(out)
`;

export const sessionScript = new Script(
  'session',
  [REGISTER, HEADER_TABLE, ENDING, SETUP, MARKS, QUEUE, RELEASE, SEGMENT, MAIN].join('\n'),
);
