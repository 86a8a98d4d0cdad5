/**
 * The scripts of what is not in a session's slot.
 *
 * `map`: changes one shard of the replicated maps and tells its log.
 *
 *     KEYS  m log w
 *     ARGV  1 writer  2 call  3 seconds
 *           4… (field, `+<value>`, `-` or `~<milliseconds>`, epoch or empty)…; after the `-` of a
 *           retained message: who deletes it
 *     reply number of the last entry of the log; or that, and {index of a change, from 0; what is
 *           later and stays in its stead, of a retained message}…
 *
 * An entry with an epoch begins with it (u64) and only gives way to the same or a later epoch: so
 * a session that has ended cannot delete what its successor subscribed. A retained message has
 * that of its publisher's connection, and gives way to all but earlier ones of that publisher: what
 * a broker writes late must not undo what the client has published elsewhere since. `~` deletes
 * only a record that has expired by then. A log entry has a field for each change: `+<field>` with
 * the
 * value, `?<field>` when it is too large to repeat, `-<field>` with the epoch; before them
 * `by` = writer, call, `:`, chain. Its id is `<number>-0`; numbers are dense. A call without any
 * effect has an entry as well, since its writer may wait for others to have seen it.
 *
 * The chain is a digest of all entries so far: after a failover that lost some, the same number
 * may come again with another one. Field `#` of `w` has the last number and its chain.
 *
 * `index`: commands on one set or sorted set.
 *
 *     KEYS  1, and last call of the writer
 *     ARGV  1 call  2… (command, argument, argument or empty)…
 *
 * A call that arrives behind a later one of its writer is refused: that had its repeat before it.
 */
import { RECORD_VERSION, RecordFlag } from '../../record.js';
import { LOG_ENTRIES, LOG_VALUE_BYTES, REPEAT_S } from '../tuning.js';
import { LATE } from './header.js';
import { Script } from './script.js';

/** Brokers whose last call a shard remembers; the one longest silent goes first. */
const MAP_WRITERS_MAX = 64;
/** Fields of retained messages begin with it, see map-entries.ts. */
const RETAINED_BYTE = 0x72;

export const mapScript = new Script(
  'map',
  `
local call, m, log, w = redis.call, KEYS[1], KEYS[2], KEYS[3]
local writer, number = ARGV[1], ARGV[2]
local function answerOf(position, kept)
  if #kept == 0 then return position end
  local answer = { position }
  for at = 1, #kept do
    local field = ARGV[4 + 3 * kept[at]]
    local isRetained = string.byte(field) == ${RETAINED_BYTE}
    answer[#answer + 1] = kept[at]
    answer[#answer + 1] = isRetained and call('HGET', m, field) or ''
  end
  return answer
end
local last = call('HGET', w, writer)
if last then
  local n, position, kept = string.match(last, '^(%d+):%d+:?(%d*):?(.*)$')
  if n == number then
    call('HSET', w, writer, last)
    local indexes = {}
    for index in string.gmatch(kept, '%d+') do indexes[#indexes + 1] = tonumber(index) end
    return answerOf(tonumber(position) or 0, indexes)
  end
  if tonumber(number) < tonumber(n) then return redis.error_reply('${LATE}') end
end
local count, chain = 0, ''
local state = call('HGET', w, '#')
if state then
  count, chain = string.match(state, '^(%d+):(.*)$')
  count = tonumber(count)
else
  call('DEL', log)
end
local changes, entries = {}, 0
local function flush()
  count, entries = count + 1, entries + 1
  chain = string.sub(redis.sha1hex(chain .. writer .. number), 1, 12)
  call('XADD', log, 'MAXLEN', '~', ${LOG_ENTRIES}, string.format('%.0f-0', count),
    'by', writer .. number .. ':' .. chain, unpack(changes))
  changes = {}
end
local function tell(name, value)
  changes[#changes + 1] = name
  changes[#changes + 1] = value
  if #changes >= 1000 then flush() end
end
-- Of a retained message: publisher and end. See record.ts.
local function read(value)
  local record = string.sub(value, 9)
  local version, flags, topic = struct.unpack('>I1I1I2', record)
  if version ~= ${RECORD_VERSION} then return '', math.huge end
  local at = 5 + topic
  at = at + 1 + 4 * string.byte(record, at)
  at = at + 2 + struct.unpack('>I2', record, at)
  local publisher = ''
  if bit.band(flags, ${RecordFlag.HasPublisher}) ~= 0 then
    local length = struct.unpack('>I2', record, at)
    publisher = string.sub(record, at + 2, at + 1 + length)
    at = at + 2 + length
  end
  if bit.band(flags, ${RecordFlag.Expires}) == 0 then return publisher, math.huge end
  return publisher, (struct.unpack('>d', record, at))
end
local function isOverdue(field, epoch, kind, value)
  if epoch == '' then return false end
  local old = call('HGET', m, field)
  if not old or struct.unpack('>I8', old) <= struct.unpack('>I8', epoch) then return false end
  if string.byte(field) ~= ${RETAINED_BYTE} then return true end
  local isRecord, publisher = true, value
  if kind == 43 then isRecord, publisher = pcall(read, value) end
  local wasRecord, before = pcall(read, old)
  return isRecord and wasRecord and publisher == before
end
local function hasExpired(field, ms)
  local value = call('HGET', m, field)
  if not value then return false end
  -- What cannot be read stays.
  local isRecord, _, expiry = pcall(read, value)
  return isRecord and expiry <= tonumber(ms)
end
local kept, isPinned = {}, false
for at = 4, #ARGV, 3 do
  local field, value, epoch = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local kind = string.byte(value)
  value = string.sub(value, 2)
  if isOverdue(field, epoch, kind, value) then
    kept[#kept + 1] = (at - 4) / 3
  elseif kind == 126 and not hasExpired(field, value) then
    -- Somebody was there later.
  elseif kind == 43 then
    call('HSET', m, field, value)
    if #value > ${LOG_VALUE_BYTES} then tell('?' .. field, '') else tell('+' .. field, value) end
  elseif call('HEXISTS', m, field) == 1 then
    -- Something stays in m until all is done: see removeFields.
    if not isPinned then call('HSET', m, '', '') end
    isPinned = true
    call('HDEL', m, field)
    tell('-' .. field, epoch)
  end
end
if #changes > 0 or entries == 0 then flush() end
local answer = answerOf(count, kept)
if isPinned then call('HDEL', m, '') end
local position = string.format('%.0f', count)
local own = number .. ':' .. ARGV[3] .. ':' .. position
if #kept > 0 then own = own .. ':' .. table.concat(kept, ',') end
call('HSET', w, writer, own, '#', position .. ':' .. chain)
if not last and call('HLEN', w) > ${MAP_WRITERS_MAX} + 1 then
  local oldest, since
  local some = call('HGETALL', w)
  for at = 1, #some, 2 do
    local seconds = tonumber(string.match(some[at + 1], '^%d+:(%d+)'))
    if some[at] ~= '#' and (not since or (seconds or 0) < since) then
      oldest, since = some[at], seconds or 0
    end
  end
  call('HDEL', w, oldest)
end
return answer
`,
);

export const indexScript = new Script(
  'index',
  `
local last = redis.call('GET', KEYS[2])
if last and tonumber(ARGV[1]) < tonumber(last) then return redis.error_reply('${LATE}') end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ${REPEAT_S})
local gone, removal = {}, nil
for at = 2, #ARGV, 3 do
  local command, first, second = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if command == 'SREM' or command == 'ZREM' then
    gone[first], removal = true, command
  elseif command == 'SADD' then
    gone[first] = nil
    redis.call(command, KEYS[1], first)
  else
    gone[second] = nil
    redis.call(command, KEYS[1], first, second)
  end
end
-- All at once: see removeFields.
local members = {}
for member in pairs(gone) do members[#members + 1] = member end
if #members > 0 then redis.call(removal, KEYS[1], unpack(members)) end
return 1
`,
);
