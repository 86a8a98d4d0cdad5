/**
 * `send`: puts a frame in a broker's inbox.
 *
 *     KEYS  in alive
 *     ARGV  1 frame
 *     reply 1: it is there; -1: the inbox is full, later; -2: the broker is dead
 *
 * A repeat is there twice: the reader knows by the frame's writer and number. Only the reader
 * trims, since only it knows what it has seen.
 */
import { INBOX_ENTRIES } from '../tuning.js';
import { Script } from './script.js';

export const Sent = { Full: -1, Dead: -2 } as const;

export const sendScript = new Script(
  'send',
  `
if redis.call('EXISTS', KEYS[2]) == 0 then return ${Sent.Dead} end
if redis.call('XLEN', KEYS[1]) >= ${INBOX_ENTRIES} then return ${Sent.Full} end
redis.call('XADD', KEYS[1], '*', 'd', ARGV[1])
return 1
`,
);
