/**
 * Topic names as the broker meets them: validated once, with their route remembered. Hot path.
 *
 * The table is direct-mapped by a hash of the bytes, so it has a fixed size and needs no
 * bookkeeping; a name that is pushed out lives on while messages refer to it.
 */
import { type Block, moveBytes, Slab } from '../base/block.js';
import type { Limits } from '../config/limits.js';
import { TopicName } from '../protocol/message.js';
import { MqttError } from '../protocol/mqtt-error.js';
import { malformed } from '../protocol/properties.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { isTopicName, topicLevels } from '../protocol/topic.js';
import { isWellFormed } from '../protocol/utf8.js';
import type { Route } from './route.js';

const TABLE_SIZE = 1 << 16;
const REMEMBERED_BYTES_MAX = 256;
const NAME_SLAB_BYTES = 8 * 1024;
/** What the two length bytes of a PUBLISH can say; a mount point may lead beyond. */
const NAME_BYTES_MAX = 65_535;
/** More than a name of that length can have. */
const LEVELS_UNLIMITED = NAME_BYTES_MAX + 1;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export class Topic extends TopicName {
  readonly hash: number;
  /** `$SYS` and below: the broker's own, no client publishes there. */
  readonly isReserved: boolean;
  readonly levels: number;
  /** Who gets messages of this name, as of `routeVersion`; null before the first. */
  route: Route | null = null;
  routeVersion = -1;

  constructor(
    name: string,
    levels: number,
    block: Block,
    start: number,
    end: number,
    hash: number,
  ) {
    super(name, block, start, end);
    this.hash = hash;
    this.isReserved = name === '$SYS' || name.startsWith('$SYS/');
    this.levels = levels;
  }

  /** Long names are not remembered: 65 536 of them would be gigabytes. */
  get isRemembered(): boolean {
    return this.end - this.start <= REMEMBERED_BYTES_MAX;
  }
}

/** What is needed of the broker core; a reload changes it. */
export interface TopicLimits {
  readonly limits: Pick<Limits, 'topicLevelsMax'>;
}

export class TopicTable {
  private readonly table: (Topic | null)[] = new Array<Topic | null>(TABLE_SIZE).fill(null);
  private readonly slab = new Slab(NAME_SLAB_BYTES);
  private readonly context: TopicLimits;

  constructor(context: TopicLimits) {
    this.context = context;
  }

  /**
   * The topic whose name a client sent as `bytes[start..end)`.
   *
   * @throws MqttError 0x81 for ill-formed UTF-8, 0x90 for what is no topic name or above
   * `max_topic_levels`
   */
  resolve(bytes: Buffer, start: number, end: number): Topic {
    return this.find(bytes, start, end, this.context.limits.topicLevelsMax);
  }

  /** @throws MqttError as `resolve` would for a client's topic name */
  check(name: string): void {
    const bytes = Buffer.from(name);
    this.resolve(bytes, 0, bytes.length);
  }

  /**
   * The topic of a name that was checked before, or is the broker's own: of any number of levels,
   * since a reload may have lowered the limit, and a mount point may stand before it.
   *
   * @throws MqttError 0x90 for what is no topic name
   */
  fromName(name: string): Topic {
    const bytes = Buffer.from(name);
    return this.fromStore(bytes, 0, bytes.length);
  }

  /** As `fromName`, of its bytes. @throws MqttError as `fromName`, 0x81 for ill-formed UTF-8 */
  fromStore(bytes: Buffer, start: number, end: number): Topic {
    return this.find(bytes, start, end, LEVELS_UNLIMITED);
  }

  private find(bytes: Buffer, start: number, end: number, levelsMax: number): Topic {
    const hash = hashOf(bytes, start, end);
    const index = hash & (TABLE_SIZE - 1);
    const found = this.table[index]!;
    if (found !== null && found.hash === hash && isSameName(found, bytes, start, end)) {
      if (found.levels > levelsMax) throw tooManyLevels();
      return found;
    }
    if (!isWellFormed(bytes, start, end)) throw malformed('topic name is not valid UTF-8');
    const name = bytes.toString('utf8', start, end);
    const levels = topicLevels(name);
    if (levels > levelsMax) throw tooManyLevels();
    const topic = this.add(name, levels, bytes, start, end, hash);
    if (topic.isRemembered) this.table[index] = topic;
    return topic;
  }

  private add(
    name: string,
    levels: number,
    bytes: Buffer,
    start: number,
    end: number,
    hash: number,
  ): Topic {
    if (!isTopicName(name)) {
      throw new MqttError(ReasonCode.TopicNameInvalid, 'topic name is empty or has a wildcard');
    }
    const length = end - start;
    if (length > NAME_BYTES_MAX) {
      throw new MqttError(ReasonCode.TopicNameInvalid, 'topic name is too long');
    }
    this.slab.take(length);
    const at = this.slab.offset;
    moveBytes(bytes, start, end, this.slab.block.bytes, at);
    return new Topic(name, levels, this.slab.block, at, at + length, hash);
  }
}

function tooManyLevels(): MqttError {
  return new MqttError(ReasonCode.TopicNameInvalid, 'topic name has too many levels');
}

/** True when `topic` has the name `bytes[start..end)`. */
export function isSameName(topic: Topic, bytes: Buffer, start: number, end: number): boolean {
  let at = topic.start;
  if (topic.end - at !== end - start) return false;
  const own = topic.block.bytes;
  while (start < end) if (own[at++] !== bytes[start++]) return false;
  return true;
}

/** FNV-1a. */
function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = FNV_OFFSET;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, FNV_PRIME);
  return hash;
}
