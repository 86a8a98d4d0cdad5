/** Topic aliases that one client uses towards the broker (MQTT 5.0 section 3.3.2.3.4). */
import { MqttError } from '../protocol/mqtt-error.js';
import { protocolError } from '../protocol/properties.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import type { Topic } from './topics.js';

export class InboundAliases {
  private readonly topics = new Map<number, Topic>();
  private readonly maximum: number;

  /** @param maximum the Topic Alias Maximum of our CONNACK; 0: none allowed */
  constructor(maximum: number) {
    this.maximum = maximum;
  }

  /** @throws MqttError 0x94 [MQTT-3.3.2-9] */
  set(alias: number, topic: Topic): void {
    this.check(alias);
    this.topics.set(alias, topic);
  }

  /** @throws MqttError 0x94, or 0x82 for an alias that stands for nothing [MQTT-3.3.2-7] */
  get(alias: number): Topic {
    this.check(alias);
    const topic = this.topics.get(alias);
    if (topic === undefined) throw protocolError('Topic Alias without a topic name before it');
    return topic;
  }

  private check(alias: number): void {
    if (alias <= this.maximum) return;
    throw new MqttError(ReasonCode.TopicAliasInvalid, 'Topic Alias above the maximum');
  }
}
