/**
 * The scripts of the history. All keys of a call are in one slot.
 *
 * `history`: appends to one partition.
 *
 *     KEYS  1 last call of the writer  2 counters  3 4 5 streams of QoS 0, 1, 2
 *     ARGV  1 writer  2 call  3… (QoS, messages, entry)…
 *     reply 1: it is there; 0: it was there before
 *
 * An entry has `w` writer, `n` messages, `a` messages and bytes that the stream has had with it,
 * `d` messages, see `entry.ts`. Counters: `m<QoS>`, `b<QoS>`: messages and bytes that a stream has
 * ever had, so that two entries tell what lies between them; `ms`, `seq`: identifier of the last
 * entries. Those of one call have the same identifier, and that of a later call is higher, in all
 * three streams, also when Redis' clock goes back: so they can be merged as they were written.
 *
 * `trim`: deletes what is over the limits of a partition, in each stream the oldest first.
 *
 *     KEYS  1 counters  2 3 4 streams
 *     ARGV  1 2 3 seconds by QoS  4 messages  5 bytes, of each stream; 0: no limit
 *     reply 1: there is more to delete
 *
 * `events`: appends presence events.
 *
 *     KEYS  1 last call of the writer  2 stream
 *     ARGV  1 writer  2 call  3 events that are kept  4… (number of parts, parts)…
 *
 * `agree`: the first broker says how many partitions there are, the others hear it.
 *
 *     KEYS  1 hash  ARGV  1 partitions  2 format
 *     reply {partitions, format}
 */
import { Script } from '../scripts/script.js';
import { REPEAT_S } from '../tuning.js';
import { TRIM_ENTRIES } from './limits.js';

export const historyScript = new Script(
  'history',
  `
local call = redis.call
local seen = call('GET', KEYS[1])
if seen and tonumber(ARGV[2]) <= tonumber(seen) then
  call('SET', KEYS[1], seen, 'EX', ${REPEAT_S})
  return 0
end
local time = call('TIME')
local ms, seq = time[1] * 1000 + math.floor(time[2] / 1000), 0
local last = call('HMGET', KEYS[2], 'ms', 'seq')
if last[1] and tonumber(last[1]) >= ms then ms, seq = tonumber(last[1]), last[2] + 1 end
ms = string.format('%.0f', ms)
local id = ms .. '-' .. seq
for at = 3, #ARGV, 3 do
  local qos, count, data = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local stream = KEYS[3 + tonumber(qos)]
  local messages = call('HINCRBY', KEYS[2], 'm' .. qos, count)
  local bytes = call('HINCRBY', KEYS[2], 'b' .. qos, #data)
  local total = string.format('%.0f:%.0f', messages, bytes)
  local added = redis.pcall('XADD', stream, id, 'w', ARGV[1], 'n', count, 'a', total, 'd', data)
  -- Somebody deleted the counters, and the clock went back.
  if type(added) == 'table' then
    call('XADD', stream, '*', 'w', ARGV[1], 'n', count, 'a', total, 'd', data)
  end
end
call('HSET', KEYS[2], 'ms', ms, 'seq', seq)
call('SET', KEYS[1], ARGV[2], 'EX', ${REPEAT_S})
return 1
`,
);

export const trimScript = new Script(
  'trim',
  `
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most, bytesMost = tonumber(ARGV[4]), tonumber(ARGV[5])
for qos = 1, 3 do
  local age = tonumber(ARGV[qos])
  if age > 0 then
    call('XTRIM', KEYS[1 + qos], 'MINID', string.format('%.0f', math.max(0, now - age * 1000)))
  end
end
if most == 0 and bytesMost == 0 then return 0 end
local had = call('HMGET', KEYS[1], 'm0', 'm1', 'm2', 'b0', 'b1', 'b2')
local left = ${TRIM_ENTRIES}
for qos = 1, 3 do
  local hadMessages, hadBytes = tonumber(had[qos] or '0'), tonumber(had[qos + 3] or '0')
  while true do
    local first = call('XRANGE', KEYS[1 + qos], '-', '+', 'COUNT', 1)[1]
    if not first then break end
    local fields = first[2]
    local messages, bytes = string.match(fields[6], '^(%d+):(%d+)$')
    local held = hadMessages - tonumber(messages) + tonumber(fields[4])
    local heldBytes = hadBytes - tonumber(bytes) + #fields[8]
    local isOver = (most > 0 and held > most) or (bytesMost > 0 and heldBytes > bytesMost)
    if not isOver then break end
    if left == 0 then return 1 end
    left = left - 1
    call('XDEL', KEYS[1 + qos], first[1])
  end
end
return 0
`,
);

export const eventsScript = new Script(
  'events',
  `
local call = redis.call
local seen = call('GET', KEYS[1])
if seen and tonumber(ARGV[2]) <= tonumber(seen) then
  call('SET', KEYS[1], seen, 'EX', ${REPEAT_S})
  return 0
end
local at = 4
while at <= #ARGV do
  local parts = {}
  for part = 1, tonumber(ARGV[at]) do parts[part] = ARGV[at + part] end
  call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(parts))
  at = at + 1 + #parts
end
call('SET', KEYS[1], ARGV[2], 'EX', ${REPEAT_S})
return 1
`,
);

export const agreeScript = new Script(
  'agree',
  `
redis.call('HSETNX', KEYS[1], 'partitions', ARGV[1])
redis.call('HSETNX', KEYS[1], 'format', ARGV[2])
return redis.call('HMGET', KEYS[1], 'partitions', 'format')
`,
);
