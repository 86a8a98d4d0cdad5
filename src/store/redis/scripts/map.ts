/**
 * The scripts of what is not in a session's slot.
 *
 * `map`: changes one shard of the replicated maps and tells its log.
 *
 *     KEYS  m log w
 *     ARGV  1 writer  2 call and seconds, as text `<call>:<seconds>`
 *           3… (field, `+<value>` or `-`, epoch or empty)…
 *
 * An entry with an epoch begins with it (u64) and only gives way to the same or a later epoch: so
 * a session that has ended cannot delete what its successor subscribed. A log entry has a field
 * for each change: `+<field>` with the value, `?<field>` when it is too large to repeat,
 * `-<field>`.
 *
 * `index`: commands on one set or sorted set.
 *
 *     KEYS  1
 *     ARGV  (command, argument, argument or empty)…
 */
import { LOG_ENTRIES, LOG_VALUE_BYTES } from '../tuning.js';
import { Script } from './script.js';

/** Brokers whose last call a shard remembers; the one longest silent goes first. */
const MAP_WRITERS_MAX = 64;

export const mapScript = new Script(
  'map',
  `
local call, m, log, w = redis.call, KEYS[1], KEYS[2], KEYS[3]
local writer, mark = ARGV[1], ARGV[2]
local last = call('HGET', w, writer)
if last and string.match(last, '^%d+') == string.match(mark, '^%d+') then
  call('HSET', w, writer, last)
  return 0
end
local changes = {}
local function flush()
  if #changes == 0 then return end
  call('XADD', log, 'MAXLEN', '~', ${LOG_ENTRIES}, '*', unpack(changes))
  changes = {}
end
local function tell(name, value)
  changes[#changes + 1] = name
  changes[#changes + 1] = value
  if #changes >= 1000 then flush() end
end
local function isOverdue(field, epoch)
  if epoch == '' then return false end
  local old = call('HGET', m, field)
  return old and struct.unpack('>I8', old) > struct.unpack('>I8', epoch)
end
for at = 3, #ARGV, 3 do
  local field, value = ARGV[at], ARGV[at + 1]
  if not isOverdue(field, ARGV[at + 2]) then
    if value == '-' then
      if call('HDEL', m, field) == 1 then tell('-' .. field, '') end
    else
      value = string.sub(value, 2)
      call('HSET', m, field, value)
      if #value > ${LOG_VALUE_BYTES} then tell('?' .. field, '') else tell('+' .. field, value) end
    end
  end
end
flush()
call('HSET', w, writer, mark)
if not last and call('HLEN', w) > ${MAP_WRITERS_MAX} then
  local oldest, since
  local some = call('HGETALL', w)
  for at = 1, #some, 2 do
    local seconds = tonumber(string.match(some[at + 1], ':(%d+)$'))
    if not since or seconds < since then oldest, since = some[at], seconds end
  end
  call('HDEL', w, oldest)
end
return 1
`,
);

export const indexScript = new Script(
  'index',
  `
for at = 1, #ARGV, 3 do
  if ARGV[at + 2] == '' then
    redis.call(ARGV[at], KEYS[1], ARGV[at + 1])
  else
    redis.call(ARGV[at], KEYS[1], ARGV[at + 1], ARGV[at + 2])
  end
end
return 1
`,
);
