/** Packets that follow one of their kind, as far as they need no look of their own. Hot path. */
import type { Block } from '../base/block.js';
import { PUBACK_BYTE } from '../protocol/publish-writer.js';
import type { Connection } from './connection.js';
import { followStreak, PLAIN_PUBLISH } from './streak.js';
import { followPubacks, followQos1, PLAIN_QOS1 } from './streak-qos1.js';

/**
 * Goes on after the packet that was handled last and ended at `at`.
 *
 * @returns where the first packet begins that is still to be handled
 */
export function follow(connection: Connection, block: Block, at: number, end: number): number {
  switch (block.bytes[at]) {
    case PLAIN_PUBLISH:
      return followStreak(connection, block, at, end);
    case PLAIN_QOS1:
      return followQos1(connection, block, at, end);
    case PUBACK_BYTE:
      return followPubacks(connection, block.bytes, at, end);
    default:
      return at;
  }
}
