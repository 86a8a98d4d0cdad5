/**
 * Topic aliases that the broker uses towards one client. An alias is given to a topic when it
 * comes a second time: before, it would only cost [MQTT-3.1.2-26].
 */
import type { TopicName } from '../protocol/message.js';
import type { PublishExtras } from '../protocol/publish-writer.js';

const CANDIDATES = 16;
/** Shorter names cost no more than the alias itself. */
const NAME_BYTES_MIN = 6;
/** What a new alias adds to a packet: the property, and one byte more of either length. */
export const NEW_ALIAS_BYTES = 5;

export class OutboundAliases {
  private readonly aliases = new Map<string, number>();
  private readonly candidates: (string | null)[] = new Array<string | null>(CANDIDATES).fill(null);
  private next = 0;
  private readonly maximum: number;

  constructor(maximum: number) {
    this.maximum = maximum;
  }

  /**
   * Sets the alias of `topic` in `extras`. The PUBLISH must then be sent.
   *
   * @param hasRoom false when the three bytes of a new alias would make the packet too large
   */
  apply(topic: TopicName, extras: PublishExtras, hasRoom: boolean): void {
    extras.topicAlias = 0;
    extras.isTopicOmitted = false;
    const known = this.aliases.get(topic.name);
    if (known !== undefined) {
      extras.topicAlias = known;
      extras.isTopicOmitted = true;
      return;
    }
    if (!hasRoom || this.aliases.size >= this.maximum) return;
    // With fewer bytes saved, a packet with the alias could be larger than what was checked.
    if (topic.end - topic.start - extras.mountLength < NAME_BYTES_MIN) return;
    if (!this.candidates.includes(topic.name)) {
      this.candidates[this.next] = topic.name;
      this.next = (this.next + 1) % CANDIDATES;
      return;
    }
    const alias = this.aliases.size + 1;
    this.aliases.set(topic.name, alias);
    extras.topicAlias = alias;
  }
}
