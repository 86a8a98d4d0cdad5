/**
 * Who is alive.
 *
 * `members`: a broker's word to the others.
 *
 *     KEYS  1 live: sorted set by end of lease  2 dead: hash  3 seen: hash
 *     ARGV  1 command  2 node  3 node name  4 version of the list that it knows  5 lease
 *           6 freeze (milliseconds)  7 subject
 *     reply {status, version, now, live, seen, dead}
 *
 * `retire` puts earlier lives of the same node name on the list of the dead, `join` does that and
 * adds the broker, `tick` renews its lease, `leave` puts it on the list of the dead, `buried`
 * takes the subject off that list. Status 0: the broker is not alive (any more), and nothing was
 * done. Any word but one of status 0 sees to leases that are over. When there was no word of
 * anybody for longer than `freeze`, all leases are moved by that time: not the brokers were away,
 * but Redis was.
 *
 * Dead: node → `<milliseconds>:<why>`, why = `left`, the node that came in its place, or empty.
 * Seen: node → version; `#` version, `@` time of the last word.
 *
 * `inbox`: opens a broker's inbox.
 *
 *     KEYS  in alive
 *
 * `bury`: deletes what a dead broker had. All keys are in one slot.
 */
import { Script } from './script.js';

export const membersScript = new Script(
  'members',
  `
local call, live, dead, seen = redis.call, KEYS[1], KEYS[2], KEYS[3]
local command, node, name = ARGV[1], ARGV[2], ARGV[3]
local lease, freeze = tonumber(ARGV[5]), tonumber(ARGV[6])
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end
local version = tonumber(call('HGET', seen, '#') or '0')
local changed = false
-- Deleted last of all: see removeFields.
local gone, buried = {}, command == 'buried' and ARGV[7]
local function answer(status)
  local members, graves = {}, call('HGETALL', dead)
  for _, member in ipairs(call('ZRANGE', live, 0, -1)) do
    if not gone[member] then members[#members + 1] = member end
  end
  for at = #graves - 1, 1, -2 do
    if graves[at] == buried then
      table.remove(graves, at)
      table.remove(graves, at)
    end
  end
  return { status, text(version), text(now), members, call('HGETALL', seen), graves }
end
local function remove(member, why)
  if gone[member] then return end
  gone[member] = true
  call('HDEL', seen, member)
  call('HSET', dead, member, text(now) .. ':' .. why)
  changed = true
end
local function isEarlier(member)
  return member ~= node and string.sub(member, 1, -10) == name
end
local isAlive = call('ZSCORE', live, node)
local isDead = call('HEXISTS', dead, node) == 1
if command == 'join' then
  if isDead then return answer(0) end
elseif command == 'tick' then
  if not isAlive then return answer(0) end
end
local last = tonumber(call('HGET', seen, '@'))
if last and now - last > freeze then
  for _, member in ipairs(call('ZRANGE', live, 0, -1)) do
    call('ZINCRBY', live, text(now - last), member)
  end
end
if command == 'join' or command == 'retire' then
  for _, member in ipairs(call('ZRANGE', live, 0, -1)) do
    if isEarlier(member) then remove(member, node) end
  end
end
if command == 'join' and not isAlive then changed = true end
if command == 'leave' then
  if isAlive then remove(node, 'left') end
elseif command == 'join' or isAlive then
  call('ZADD', live, text(now + lease), node)
  call('HSET', seen, node, ARGV[4])
end
for _, member in ipairs(call('ZRANGEBYSCORE', live, '-inf', '(' .. text(now))) do
  remove(member, '')
end
if changed then version = version + 1 end
call('HSET', seen, '#', text(version), '@', text(now))
local told = answer(1)
for member in pairs(gone) do call('ZREM', live, member) end
if buried then call('HDEL', dead, buried) end
return told
`,
);

export const inboxScript = new Script(
  'inbox',
  `
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], 1)
return 1
`,
);

export const buryScript = new Script('bury', "return redis.call('DEL', unpack(KEYS))");
