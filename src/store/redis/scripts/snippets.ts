/** Parts of Lua that several scripts have in common. */
import { WRITERS_MAX } from '../tuning.js';
import { HEADER, HEADER_VERSION, LATE, OTHER_VERSION } from './header.js';

/** `register(s, writer)`: a writer is not the last one any more, but is remembered. */
export const REGISTER = `
local function register(s, writer)
  local known = redis.call('HGET', s, 'ws') or ''
  if string.find(known, writer, 1, true) then return end
  if #known >= ${WRITERS_MAX * 8} then
    local first = string.sub(known, 1, 8)
    redis.call('HDEL', s, 'w' .. first, 'a' .. first)
    known = string.sub(known, 9)
  end
  redis.call('HSET', s, 'ws', known .. writer)
end
`;

/** The header as a table `H`, for scripts that are not called for every message. */
export const HEADER_TABLE = `
local function decode(raw)
  if string.byte(raw) ~= ${HEADER_VERSION} then error({ err = '${OTHER_VERSION}' }) end
  local H = {}
  H.v, H.E, H.e, H.f, H.x, H.holes, H.B, H.fb, H.flags, H.ts, H.tb, H.num, H.w, H.wn, H.wr,
    H.owner =
    struct.unpack('${HEADER}', raw)
  return H
end
local function encode(H)
  return struct.pack('${HEADER}', H.v, H.E, H.e, H.f, H.x, H.holes, H.B, H.fb, H.flags, H.ts,
    H.tb, H.num, H.w, H.wn, H.wr, #H.owner, H.owner)
end
-- A node's name ends with its writer.
local function isElsewhere(H, writer)
  return H.owner ~= '' and string.sub(H.owner, -8) ~= writer
end
-- What a call was answered when it was seen before; nil: it is new.
local function answered(s, H, writer, n)
  local seen = H.wn
  if H.w ~= writer then
    local mark = redis.call('HGET', s, 'w' .. writer)
    if not mark then return nil end
    seen = struct.unpack('>I6', mark)
  end
  if n < seen then error({ err = '${LATE}' }) end
  if n > seen then return nil end
  redis.call('HSET', s, 'h', encode(H))
  return redis.call('HGET', s, 'a' .. writer)
end
-- Saves the header as written by this call, and its answer.
local function save(s, H, writer, n, answer)
  local w, mark = H.w, struct.pack('>I6I6', H.wn, H.wr)
  H.w, H.wn, H.wr = writer, n, 0
  redis.call('HSET', s, 'h', encode(H), 'a' .. writer, answer)
  if w ~= writer and redis.call('HSET', s, 'w' .. w, mark) == 1 then register(s, w) end
end
`;

/**
 * `removeFields(key, fields)`: the last that a script does to a hash which that may end. While a
 * slot moves, what is not there any more is said to be on the other server: a script that touched
 * such a key again would stop half-way, and nothing of what it did before would be undone.
 */
export const REMOVE_FIELDS = `
local function removeFields(key, fields)
  local left = redis.call('HLEN', key)
  for at = 1, #fields, 1000 do
    if left == 0 then return end
    left = left - redis.call('HDEL', key, unpack(fields, at, math.min(at + 999, #fields)))
  end
end
`;

/**
 * `traces(s)`: filters of a session that are or were in the map. `strip(s)`: leaves the header,
 * which the caller then writes anew. `bury(s, q, r, d, filters)`: leaves of a session that and what
 * the map has still to be told.
 */
export const ENDING = `
${REMOVE_FIELDS}
local function traces(s)
  local found = {}
  for _, field in ipairs(redis.call('HKEYS', s)) do
    local kind = string.sub(field, 1, 1)
    if kind == '+' or kind == '-' then found[#found + 1] = string.sub(field, 2) end
  end
  return found
end
local function strip(s)
  local fields = {}
  for _, field in ipairs(redis.call('HKEYS', s)) do
    if field ~= 'h' then fields[#fields + 1] = field end
  end
  removeFields(s, fields)
end
local function bury(s, q, r, d, filters)
  strip(s)
  redis.call('DEL', q, r, d)
  for _, filter in ipairs(filters) do redis.call('HSET', s, '-' .. filter, '') end
end
`;
