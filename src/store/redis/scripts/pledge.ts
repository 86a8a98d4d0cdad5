/**
 * `pledge`: what a broker has given to its clients and others get if it dies.
 *
 *     KEYS  due alive
 *     ARGV  1 call  2 how many were fulfilled  3… their numbers, then (number, record)…
 *     reply 1: it is there; -2: the broker is dead, and nothing was done
 *
 * Field `#` has the last call: only that broker calls, in one life, and a call that comes behind
 * its own repeat is refused. It also keeps the hash from ever being empty.
 */
import { LATE } from './header.js';
import { Script } from './script.js';
import { Sent } from './send.js';

export const pledgeScript = new Script(
  'pledge',
  `
local call, due, number = redis.call, KEYS[1], ARGV[1]
if call('EXISTS', KEYS[2]) == 0 then return ${Sent.Dead} end
local last = call('HGET', due, '#')
if last and tonumber(number) < tonumber(last) then return redis.error_reply('${LATE}') end
call('HSET', due, '#', number)
if last == number then return 1 end
local from = 3 + tonumber(ARGV[2])
if from > 3 then call('HDEL', due, unpack(ARGV, 3, from - 1)) end
if from <= #ARGV then call('HSET', due, unpack(ARGV, from)) end
return 1
`,
);
