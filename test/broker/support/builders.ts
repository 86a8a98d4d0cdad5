/** Messages, sessions and subscriptions for tests of single parts of the core. */
import { Block } from '../../../src/base/block.js';
import { messageOf } from '../../../src/broker/own-messages.js';
import { Session } from '../../../src/broker/session.js';
import type { SharedGroup } from '../../../src/broker/shared-group.js';
import { Subscription } from '../../../src/broker/subscription.js';
import { TopicTable } from '../../../src/broker/topics.js';
import { type Message, TopicName } from '../../../src/protocol/message.js';
import { FakeBroker } from './fake-broker.js';

export function topicNameOf(name: string): TopicName {
  const bytes = Buffer.from(name);
  return new TopicName(name, new Block(bytes), 0, bytes.length);
}

export function topicTable(topicLevelsMax: number): TopicTable {
  return new TopicTable({ limits: { topicLevelsMax } });
}

/** A kept message. */
export function messageTo(name: string, payload: string, qos: 0 | 1 | 2 = 1): Message {
  return messageOf(topicNameOf(name), Buffer.from(payload), { qos, retain: false }, 0);
}

const idle = new FakeBroker();

/** An offline session of a broker that does nothing else. */
export function sessionOf(clientId: string, isDurable = true): Session {
  const { access, listener } = idle;
  const peer = {
    remoteAddress: '127.0.0.1',
    remotePort: 1,
    identity: null,
    subject: null,
    isTls: false,
  };
  const identity = { clientId, username: null, peer, listener, protocolVersion: 5 } as const;
  const session = new Session(identity, access, idle.core, () => undefined);
  session.isDurable = isDurable;
  return session;
}

export interface SubscriptionOptions {
  readonly qos?: number;
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly ids?: readonly number[] | null;
  readonly group?: SharedGroup | null;
}

export function subscriptionOf(
  session: Session,
  filter: string,
  options: SubscriptionOptions = {},
): Subscription {
  const { qos = 0, noLocal = false, retainAsPublished = false, ids = null, group = null } = options;
  return new Subscription(session, filter, qos, noLocal, retainAsPublished, ids, group);
}
