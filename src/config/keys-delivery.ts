/** Keys of sessions and deliveries, and every limit under its name in `limitDefinitions`. */
import { globalKey, type Key } from './key.js';
import { type LimitDefinition, type Limits, limitDefinitions } from './limits.js';
import { badValue, bool, duration, integer, oneOf, type ValueParser } from './values.js';

type BooleanField =
  | 'allowDuplicateMessages'
  | 'queueQos0Messages'
  | 'retainAvailable'
  | 'checkRetainSource'
  | 'upgradeOutgoingQos';

const booleanKeys: readonly (readonly [key: string, field: BooleanField])[] = [
  ['allow_duplicate_messages', 'allowDuplicateMessages'],
  ['queue_qos0_messages', 'queueQos0Messages'],
  ['retain_available', 'retainAvailable'],
  ['check_retain_source', 'checkRetainSource'],
  ['upgrade_outgoing_qos', 'upgradeOutgoingQos'],
];

/** Where Mosquitto reads a number below the range as "no limit", which is `min` here. */
const limitsWithNegatives: ReadonlySet<string> = new Set([
  'global_max_connections',
  'global_max_clients',
  'max_inflight_messages',
  'max_inflight_bytes',
  'max_queued_messages',
  'max_queued_bytes',
]);

/** A packet below this could not even carry a CONNECT; Mosquitto forbids it too. */
const PACKET_BYTES_MIN = 20;

export const deliveryKeys: readonly Key[] = [
  ...booleanKeys.map(([key, field]) =>
    globalKey(key, bool, (draft, value) => {
      draft.delivery[field] = value;
    }),
  ),
  globalKey('persistent_client_expiration', duration, (draft, seconds) => {
    draft.delivery.persistentClientExpirationS = seconds;
  }),
  globalKey('max_keepalive', integer(0, 65_535), (draft, seconds) => {
    draft.delivery.maxKeepAlive = seconds;
  }),
  globalKey(
    'shared_subscription_strategy',
    oneOf('round_robin', 'random', 'sticky', 'hash_client', 'hash_topic', 'local'),
    (draft, strategy) => {
      draft.delivery.sharedSubscriptionStrategy = strategy;
    },
  ),
  globalKey('queue_full_policy', oneOf('drop_newest', 'drop_oldest', 'refuse'), (draft, policy) => {
    draft.delivery.queueFullPolicy = policy;
  }),
];

export const limitKeys: readonly Key[] = Object.entries(limitDefinitions).map(([field, limit]) =>
  globalKey(limit.key, limitValue(limit), (draft, value) => {
    draft.limits[field as keyof Limits] = value;
  }),
);

function limitValue(limit: LimitDefinition): ValueParser<number> {
  const below = limitsWithNegatives.has(limit.key) ? { below: limit.min } : {};
  if (limit.key === limitDefinitions.packetBytesMax.key) return packetSize(limit);
  return integer(limit.min, limit.max, below);
}

/** 0, or at least 20; a number above what the protocol allows is no limit of its own. */
function packetSize(limit: LimitDefinition): ValueParser<number> {
  const whole = integer(limit.min, limit.max, { isCapped: true });
  const parser: ValueParser<number> = {
    words: 'one',
    expects: `0, or a whole number from ${PACKET_BYTES_MIN} to ${limit.max}`,
    read: (value, line) => {
      const bytes = whole.read(value, line);
      return bytes > 0 && bytes < PACKET_BYTES_MIN ? badValue(parser, value, line) : bytes;
    },
  };
  return parser;
}
