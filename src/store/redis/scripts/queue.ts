/**
 * The queue in Lua: limits, what gives way, what is done. Part of the session script, which has
 * the header in `H`, and call, unpack, pack, s, q at hand.
 *
 * `G` holds what gave way: {number up to which entries were deleted, first, last, first, last, …};
 * ranges ascend, do not touch, and begin at firstSeq or above. `L` is as `G`, of what lapsed (see
 * `Claim.lapsed`): its first number says nothing, and firstSeq may have passed its ranges.
 */
import { SENT_AHEAD_MAX } from '../../store.js';
import { TRIM_BYTES, TRIM_MESSAGES } from '../tuning.js';
import { HeaderFlag } from './header.js';

/** Payload bytes, number of the mark (0: none), birth of the publisher's session. */
export const MESSAGE_HEAD = '>I6I8I8';
export const MESSAGE_HEAD_BYTES = 22;

/** Numbers that gave way before entries among them are looked for and deleted. */
const RECLAIM_MESSAGES = 64;

const STATE = `
local D
local function rangesIn(field)
  local ranges = {}
  if H.flags % 4 >= ${HeaderFlag.GaveWay} then
    for number in string.gmatch(call('HGET', s, field) or '', '%d+') do
      ranges[#ranges + 1] = tonumber(number)
    end
  end
  if #ranges == 0 then ranges[1] = 0 end
  return ranges
end
local function gave()
  G = G or rangesIn('g')
  return G
end
local function lapsed()
  L = L or rangesIn('o')
  return L
end
local function isIn(ranges, seq)
  for at = #ranges - 1, 2, -2 do
    if seq >= ranges[at] then return seq <= ranges[at + 1] end
  end
  return false
end
local function addTo(ranges, seq)
  local at = #ranges
  while at > 1 and ranges[at - 1] > seq do at = at - 2 end
  if at > 1 and ranges[at] == seq - 1 then
    ranges[at] = seq
  else
    table.insert(ranges, at + 1, seq)
    table.insert(ranges, at + 2, seq)
    at = at + 2
  end
  if ranges[at + 1] == seq + 1 then
    ranges[at] = ranges[at + 2]
    table.remove(ranges, at + 1)
    table.remove(ranges, at + 1)
  end
end
-- The numbers that are done, as a set.
local function done()
  if not D then
    D = {}
    if H.flags % 8 >= ${HeaderFlag.Done} then
      for number in string.gmatch(call('HGET', s, 'd') or '', '%d+') do
        D[tonumber(number)] = true
      end
    end
  end
  return D
end
local function setFlag(flag, isSet)
  local has = bit.band(H.flags, flag) ~= 0
  if has ~= isSet then H.flags = H.flags + (isSet and flag or -flag) end
end
`;

const SETTLE = `
-- Moves firstSeq behind what is done or gave way, and counts what is left of that above it.
local function recount()
  local set, ranges = done(), gave()
  repeat
    local from = H.f
    while set[H.f] do H.f = H.f + 1 end
    while ranges[2] and ranges[2] <= H.f do
      if ranges[3] >= H.f then H.f = ranges[3] + 1 end
      table.remove(ranges, 2)
      table.remove(ranges, 2)
    end
  until H.f == from
  local holes = 0
  for at = 2, #ranges, 2 do holes = holes + ranges[at + 1] - ranges[at] + 1 end
  for number in pairs(set) do
    local isCounted = number < H.f
    for at = 2, #ranges, 2 do
      if number >= ranges[at] and number <= ranges[at + 1] then isCounted = true end
    end
    if not isCounted then holes = holes + 1 end
  end
  H.holes = holes
  if H.x < H.f then H.x = H.f end
end
-- What is done does not count as lapsed any more.
local function passLapsed(first)
  local before = lapsed()
  if #before < 2 then return end
  L = { 0 }
  for at = 2, #before, 2 do
    for seq = math.max(before[at], first), before[at + 1] do
      if not done()[seq] then addTo(L, seq) end
    end
  end
end
local function settle(first, dones, text)
  setFlag(${HeaderFlag.Exact}, false)
  if first > H.e then H.e = first end
  if first > H.f then H.f = first end
  if dones > 0 then
    call('HSET', s, 'd', text)
  elseif H.flags % 8 >= ${HeaderFlag.Done} then
    call('HDEL', s, 'd')
  end
  setFlag(${HeaderFlag.Done}, dones > 0)
  D = nil
  recount()
  passLapsed(first)
end
local function trim(now)
  if H.f <= H.ts then return end
  local lag, about = H.f - H.ts, H.B - H.tb
  if H.f < H.e then about = math.floor(about * lag / (H.e - H.ts)) end
  if now or lag >= ${TRIM_MESSAGES} or about >= ${TRIM_BYTES} then
    call('XTRIM', q, 'MINID', H.f)
    H.ts = H.f
    H.tb = H.tb + about
  end
end
`;

const BYTES = `
-- One entry of the queue: number of its first and last message, sizes of its messages, and the
-- bytes that came before it; nil when there was no limit of bytes.
local function entry(raw)
  local last, count = string.match(raw[1], '^(%d+)-(%d+)$')
  local e = { last = tonumber(last), sizes = {} }
  e.first = e.last - tonumber(count) + 1
  local fields = raw[2]
  e.before = fields[4] and tonumber(fields[4])
  local data, at = fields[2], 1
  for seq = e.first, e.last do
    local length, size = unpack('>I4I4', data, at)
    e.sizes[seq] = size
    at = at + 8 + length
  end
  return e
end
local function gaveWay(seq)
  return isIn(gave(), seq)
end
-- Payload bytes of the messages that are not done. Reads as much as has holes.
local function liveBytes()
  if H.flags % 2 == ${HeaderFlag.Exact} then return H.B - H.fb end
  local special, ranges = H.f, gave()
  for number in pairs(done()) do special = math.max(special, number) end
  if #ranges > 1 then special = math.max(special, ranges[#ranges]) end
  local total, from = 0, H.f
  while true do
    local some = call('XRANGE', q, from, '+', 'COUNT', 8)
    if #some == 0 then return total end
    for _, one in ipairs(some) do
      local e = entry(one)
      if e.first > special and e.before then return total + H.B - e.before end
      for seq = math.max(e.first, H.f), e.last do
        if not done()[seq] and not gaveWay(seq) then total = total + e.sizes[seq] end
      end
      from = e.last + 1
    end
  end
end
`;

const APPEND = `
local cursor, seen
-- The oldest message that was never sent and is still there; nil: none. tail: one past the last.
local function oldest(tail)
  cursor = math.max(cursor or 0, H.x, H.f)
  while cursor < tail do
    if not done()[cursor] and not gaveWay(cursor) then return cursor end
    cursor = cursor + 1
    local ranges = gave()
    for at = 2, #ranges, 2 do
      if cursor >= ranges[at] and cursor <= ranges[at + 1] then cursor = ranges[at + 1] + 1 end
    end
  end
end
local function sizeOf(seq, sizes)
  if seq >= H.e then return sizes[seq - H.e + 1] end
  if not seen or seq < seen.first or seq > seen.last then
    local found = call('XRANGE', q, seq, '+', 'COUNT', 1)
    if #found == 0 then return 0 end
    seen = entry(found[1])
  end
  return seen.sizes[seq] or 0
end
-- What is sent is written late, and what was before a crash is not known.
local function mayBeSent(seq)
  if seq >= H.e or seq >= H.x + ${SENT_AHEAD_MAX} then return false end
  return H.owner ~= '' or seq < tonumber(call('HGET', s, 'u') or '0')
end
local function giveWay(seq)
  addTo(gave(), seq)
  if mayBeSent(seq) then addTo(lapsed(), seq) end
  H.holes = H.holes + 1
  setFlag(${HeaderFlag.Exact}, false)
end
-- Deletes entries all of whose messages gave way although older ones are still in flight.
local function reclaim()
  local ranges = gave()
  local last = ranges[#ranges]
  if #ranges < 3 or last - math.max(ranges[1], ranges[2]) < ${RECLAIM_MESSAGES} then return end
  for at = 2, #ranges, 2 do
    local from = math.max(ranges[at], ranges[1])
    while from <= ranges[at + 1] do
      local some = call('XRANGE', q, from, ranges[at + 1], 'COUNT', 64)
      if #some == 0 then break end
      for _, one in ipairs(some) do
        local end_, count = string.match(one[1], '^(%d+)-(%d+)$')
        from = tonumber(end_) + 1
        if from - tonumber(count) >= ranges[at] then call('XDEL', q, one[1]) end
      end
    end
  end
  ranges[1] = last + 1
end
local function append(at, head)
  local first, digits, dropped, parts, sizes, total = H.e, {}, {}, {}, {}, 0
  local live = head.k > 0 and head.bytesmax > 0 and liveBytes() or 0
  local isUsual = true
  for i = 1, head.k do
    local size, number, birth = unpack('${MESSAGE_HEAD}', ARGV[at])
    local message, publisher = ARGV[at + 1], ARGV[at + 2]
    at = at + 3
    local fate = '0'
    if number > 0 and isRepeated(publisher, birth, number) then
      fate = '2'
    elseif head.bytesmax > 0 and size > head.bytesmax then
      fate = '1'
    else
      local tail = H.e + #parts
      while (head.max > 0 and tail - H.f - H.holes >= head.max)
          or (head.bytesmax > 0 and live + size > head.bytesmax) do
        local victim = head.drops and oldest(tail)
        if not victim then fate = '1' break end
        if head.bytesmax > 0 then live = live - sizeOf(victim, sizes) end
        giveWay(victim)
        dropped[#dropped + 1] = victim
      end
      if fate == '0' then
        parts[#parts + 1], sizes[#sizes + 1] = message, size
        total = total + size
        live = live + size
        if number > 0 then mark(publisher, birth, number) end
      end
    end
    digits[i] = fate
    if fate ~= '0' then isUsual = false end
  end
  if #parts > 0 then
    local count = #parts
    H.e = H.e + count
    local id, data = (H.e - 1) .. '-' .. count, table.concat(parts)
    if head.bytesmax > 0 then
      call('XADD', q, id, 'd', data, 'b', H.B)
    else
      call('XADD', q, id, 'd', data)
    end
    H.B = H.B + total
    cursor, seen = nil, nil
  end
  if head.k > 0 and head.bytesmax > 0 then
    H.fb = H.B - live
    setFlag(${HeaderFlag.Exact}, true)
  end
  if #dropped > 0 then
    recount()
    reclaim()
  end
  if isUsual and #dropped == 0 then return first end
  return { first, table.concat(digits), dropped }
end
local function saveRanges(field, ranges)
  if #ranges > 1 then
    call('HSET', s, field, table.concat(ranges, ','))
  elseif H.flags % 4 >= ${HeaderFlag.GaveWay} then
    call('HDEL', s, field)
  end
end
local function saveQueue()
  if not G and not L then return end
  local ranges, others = gave(), lapsed()
  saveRanges('g', ranges)
  saveRanges('o', others)
  setFlag(${HeaderFlag.GaveWay}, #ranges > 1 or #others > 1)
end
-- Of those that lapsed, only these are still with the client.
local function keepLapsed(list)
  local before = lapsed()
  if #before < 2 then return end
  L = { 0 }
  for at = 1, #list, 6 do
    local seq = unpack('>I6', list, at)
    if isIn(before, seq) then addTo(L, seq) end
  end
end
`;

export const QUEUE = [STATE, SETTLE, BYTES, APPEND].join('\n');
