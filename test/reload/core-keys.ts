/**
 * What shows that SIGHUP has changed a key of sessions and deliveries, or a limit of the core, for
 * clients that are connected: by key.
 */
import * as assert from 'uvu/assert';
import { type CoreSettings, reconfigure } from '../../src/broker/reconfigure.js';
import type { DeliveryConfig } from '../../src/config/config.js';
import type { Limits } from '../../src/config/limits.js';
import { FakeBroker, type FakeClient, type Received } from '../broker/support/fake-broker.js';

const QUOTA_EXCEEDED = 0x97;
const KIB = 1024;

/** As a reload does it. */
export function reload(
  broker: FakeBroker,
  changes: { readonly limits?: Partial<Limits>; readonly delivery?: Partial<DeliveryConfig> },
): void {
  const { core } = broker;
  const settings: CoreSettings = {
    limits: { ...core.limits, ...changes.limits },
    delivery: { ...core.delivery, ...changes.delivery },
    logsConnections: core.logsConnections,
  };
  reconfigure(core, settings);
  broker.settle();
}

/** A durable session without a connection, subscribed to `a` at QoS 1. */
function sleeper(broker: FakeBroker): { wake(): FakeClient } {
  const options = { clientId: 'sleeper', clean: false, properties: { sessionExpiryInterval: 100 } };
  const client = broker.connect(options);
  client.subscribe('a', { qos: 1 });
  client.drop();
  return { wake: () => broker.connect(options) };
}

/** Publishes at QoS 1. */
function answerTo(client: FakeClient, topic: string, payload: string, retain = false): number {
  client.publish(topic, payload, { qos: 1, messageId: 1, retain });
  return client.takeFirst('puback').reasonCode ?? 0;
}

function connack(broker: FakeBroker, options = {}): Record<string, unknown> {
  return { ...broker.request(options).takeFirst('connack').properties };
}

/** A stalled subscriber of `a`, and how many of `count` messages of 8 KiB are dropped for it. */
function stalled(limits: Partial<Limits>) {
  const broker = new FakeBroker({ limits: { slowSubscriberPauseMs: 0, ...limits } });
  const [slow, publisher] = [broker.connect(), broker.connect()];
  slow.subscribe('a');
  slow.transport.stall();
  const flood = (count: number): number => {
    const before = broker.core.metrics.droppedTotal;
    for (let n = 0; n < count; n++) publisher.publish('a', 'x'.repeat(8 * KIB));
    return broker.core.metrics.droppedTotal - before;
  };
  return { broker, slow, publisher, flood };
}

/** A subscriber at QoS 1 that acknowledges nothing, with `count` messages of 8 bytes for it. */
function unacknowledged(limits: Partial<Limits>, count: number) {
  const broker = new FakeBroker({ limits });
  const [reader, publisher] = [broker.connect(), broker.connect()];
  reader.subscribe('a', { qos: 1 });
  for (let n = 0; n < count; n++) answerTo(publisher, 'a', '12345678');
  return { broker, reader };
}

type Observations = Readonly<Record<string, () => void>>;

const deliveries: Observations = {
  allow_duplicate_messages: () => {
    const broker = new FakeBroker();
    const [reader, publisher] = [broker.connect(), broker.connect()];
    for (const filter of ['a/#', 'a/+']) reader.subscribe(filter);
    const copies = (): number => {
      publisher.publish('a/b', 'x');
      return reader.takePayloads().length;
    };
    assert.is(copies(), 1);
    reload(broker, { delivery: { allowDuplicateMessages: true } });
    assert.is(copies(), 2);
  },
  queue_qos0_messages: () => {
    const broker = new FakeBroker();
    const { wake } = sleeper(broker);
    const publisher = broker.connect();
    publisher.publish('a', 'before');
    reload(broker, { delivery: { queueQos0Messages: true } });
    publisher.publish('a', 'after');
    assert.equal(wake().takePayloads(), ['after']);
  },
  retain_available: () => {
    const broker = new FakeBroker();
    const publisher = broker.connect();
    publisher.publish('a', 'x', { retain: true });
    assert.ok(publisher.isOpen);
    reload(broker, { delivery: { retainAvailable: false } });
    publisher.publish('a', 'x', { retain: true });
    assert.is(publisher.takeFirst('disconnect').reasonCode, 0x9a);
  },
  check_retain_source: () => {
    const broker = new FakeBroker({ delivery: { checkRetainSource: false } });
    broker.access.restrictsPublish = true;
    broker.connect().publish('a', 'x', { retain: true });
    broker.access.mayPublish = () => false;
    const retained = (): number => {
      const reader = broker.connect();
      reader.subscribe('a');
      return reader.takePayloads().length;
    };
    assert.is(retained(), 1);
    reload(broker, { delivery: { checkRetainSource: true } });
    assert.is(retained(), 0);
  },
  upgrade_outgoing_qos: () => {
    const broker = new FakeBroker();
    const [reader, publisher] = [broker.connect(), broker.connect()];
    reader.subscribe('a', { qos: 1 });
    const qos = (): number | undefined => {
      publisher.publish('a', 'x');
      return reader.takeFirst('publish').qos;
    };
    assert.is(qos(), 0);
    reload(broker, { delivery: { upgradeOutgoingQos: true } });
    assert.is(qos(), 1);
  },
  persistent_client_expiration: () => {
    const broker = new FakeBroker();
    const options = { properties: { sessionExpiryInterval: 100 } };
    assert.is(connack(broker, options).sessionExpiryInterval, undefined);
    reload(broker, { delivery: { persistentClientExpirationS: 10 } });
    assert.is(connack(broker, options).sessionExpiryInterval, 10);
  },
  max_keepalive: () => {
    const broker = new FakeBroker();
    assert.is(connack(broker, { keepalive: 100 }).serverKeepAlive, undefined);
    reload(broker, { delivery: { maxKeepAlive: 60 } });
    assert.is(connack(broker, { keepalive: 100 }).serverKeepAlive, 60);
  },
  shared_subscription_strategy: () => {
    const broker = new FakeBroker();
    const members = [broker.connect(), broker.connect()];
    for (const member of members) member.subscribe('$share/group/a');
    const publisher = broker.connect();
    const shares = (): number[] => {
      for (let n = 0; n < 4; n++) publisher.publish('a', 'x');
      return members.map((member) => member.takePayloads().length).sort();
    };
    assert.equal(shares(), [2, 2]);
    reload(broker, { delivery: { sharedSubscriptionStrategy: 'sticky' } });
    assert.equal(shares(), [0, 4]);
  },
  queue_full_policy: () => {
    const broker = new FakeBroker({ limits: { queuedMessagesMax: 1 } });
    sleeper(broker);
    const publisher = broker.connect();
    const codes = [1, 2].map(() => answerTo(publisher, 'a', 'x'));
    reload(broker, { delivery: { queueFullPolicy: 'refuse' } });
    assert.equal([...codes, answerTo(publisher, 'a', 'x')], [0, 0, QUOTA_EXCEEDED]);
  },
};

const connecting: Observations = {
  global_max_clients: () => {
    const broker = new FakeBroker();
    broker.connect();
    reload(broker, { limits: { clientsMax: 1 } });
    assert.is(broker.request().takeFirst('connack').reasonCode, QUOTA_EXCEEDED);
  },
  authentication_timeout_ms: () => {
    const broker = new FakeBroker();
    broker.access.beginExchange = () => ({ step: () => ({ kind: 'continue', data: null }) });
    reload(broker, { limits: { authenticationTimeoutMs: 1_000 } });
    const client = broker.request({ properties: { authenticationMethod: 'SLOW' } });
    client.takeFirst('auth');
    broker.advance(1_000);
    assert.is(client.takeFirst('connack').reasonCode, 0x87);
  },
  max_connect_bytes: () => {
    const broker = new FakeBroker();
    const clientId = 'x'.repeat(100);
    broker.connect({ clientId });
    reload(broker, { limits: { connectBytesMax: 64 } });
    assert.not(broker.request({ clientId }).isOpen);
  },
  max_packet_size: () => {
    const broker = new FakeBroker();
    const before = broker.connect();
    reload(broker, { limits: { packetBytesMax: 100 } });
    const after = broker.request();
    assert.is(after.takeFirst('connack').properties?.maximumPacketSize, 100);
    for (const client of [before, after]) client.publish('a', 'x'.repeat(200));
    assert.is(after.takeFirst('disconnect').reasonCode, 0x95);
    assert.ok(before.isOpen, 'its CONNACK promised more');
  },
  receive_maximum: () => {
    const broker = new FakeBroker();
    const before = broker.connect();
    reload(broker, { limits: { receiveMaximum: 2 } });
    const after = broker.request();
    assert.is(after.takeFirst('connack').properties?.receiveMaximum, 2);
    for (const client of [before, after]) {
      for (let messageId = 1; messageId <= 3; messageId++) {
        client.publish('a', 'x', { qos: 2, messageId });
      }
    }
    assert.is(after.takeFirst('disconnect').reasonCode, 0x93);
    assert.is(before.take('pubrec').length, 3, 'its CONNACK promised more');
  },
};

const flows: Observations = {
  message_size_limit: () => {
    const broker = new FakeBroker();
    const publisher = broker.connect();
    reload(broker, { limits: { messageBytesMax: 10 } });
    assert.is(answerTo(publisher, 'a', 'x'.repeat(11)), QUOTA_EXCEEDED);
  },
  max_inflight_messages: () => {
    const { broker, reader } = unacknowledged({ inflightMessagesMax: 1 }, 4);
    assert.is(reader.takePayloads().length, 1);
    reload(broker, { limits: { inflightMessagesMax: 3 } });
    assert.is(reader.takePayloads().length, 2);
  },
  max_inflight_bytes: () => {
    const { broker, reader } = unacknowledged({ inflightBytesMax: 10 }, 4);
    assert.is(reader.takePayloads().length, 1);
    reload(broker, { limits: { inflightBytesMax: 24 } });
    assert.is(reader.takePayloads().length, 2);
  },
  max_queued_messages: () => {
    const broker = new FakeBroker();
    const { wake } = sleeper(broker);
    const publisher = broker.connect();
    reload(broker, { limits: { queuedMessagesMax: 2 } });
    for (const payload of ['1', '2', '3']) answerTo(publisher, 'a', payload);
    assert.equal(wake().takePayloads(), ['1', '2']);
  },
  max_queued_bytes: () => {
    const broker = new FakeBroker();
    const { wake } = sleeper(broker);
    const publisher = broker.connect();
    reload(broker, { limits: { queuedBytesMax: 3 } });
    for (const payload of ['11', '22', '3']) answerTo(publisher, 'a', payload);
    assert.equal(wake().takePayloads(), ['11', '3']);
  },
  max_output_buffer_bytes: () => {
    const { broker, flood } = stalled({ outputBytesMax: 64 * KIB });
    assert.ok(flood(20) > 0);
    reload(broker, { limits: { outputBytesMax: 1024 * KIB } });
    assert.is(flood(10), 0);
  },
  max_output_buffer_bytes_total: () => {
    const { broker, flood } = stalled({});
    assert.is(flood(10), 0);
    reload(broker, { limits: { outputBytesTotalMax: 64 * KIB } });
    assert.ok(flood(10) > 0);
  },
  slow_subscriber_pause_ms: () => {
    const { broker, slow, publisher, flood } = stalled({ outputBytesMax: 64 * KIB });
    flood(20);
    assert.not(publisher.transport.isPaused);
    slow.transport.drain();
    broker.settle();
    slow.transport.stall();
    reload(broker, { limits: { slowSubscriberPauseMs: 100 } });
    flood(20);
    assert.ok(publisher.transport.isPaused);
  },
  max_publish_rate: () => {
    const broker = new FakeBroker();
    const [reader, publisher] = [broker.connect(), broker.connect()];
    reader.subscribe('a');
    reload(broker, { limits: { publishRatePerClient: 1 } });
    for (let count = 0; count < 10; count++) publisher.publish('a', 'x');
    assert.is(reader.takePayloads().length, 1);
  },
  max_publish_bytes_rate: () => {
    const broker = new FakeBroker();
    const [reader, publisher] = [broker.connect(), broker.connect()];
    reader.subscribe('a');
    reload(broker, { limits: { publishBytesPerClient: 1 } });
    for (let count = 0; count < 10; count++) publisher.publish('a', 'x');
    assert.is(reader.takePayloads().length, 1);
  },
};

const topics: Observations = {
  max_topic_levels: () => {
    const broker = new FakeBroker();
    const client = broker.connect();
    client.publish('a/b/c', 'known, and the last one');
    reload(broker, { limits: { topicLevelsMax: 2 } });
    assert.equal(client.subscribe('a/b/+').granted, [0x8f]);
    client.publish('a/b/c', 'x');
    assert.is(client.takeFirst('disconnect').reasonCode, 0x90);
  },
  max_subscriptions_per_client: () => {
    const broker = new FakeBroker();
    const client = broker.connect();
    client.subscribe('a');
    reload(broker, { limits: { subscriptionsPerClientMax: 1 } });
    const { granted }: Received = client.subscribe('b');
    assert.equal(granted, [QUOTA_EXCEEDED]);
  },
  max_retained_messages: () => {
    const broker = new FakeBroker();
    const publisher = broker.connect();
    answerTo(publisher, 'a', 'x', true);
    reload(broker, { limits: { retainedMessagesMax: 1 } });
    assert.is(answerTo(publisher, 'b', 'x', true), QUOTA_EXCEEDED);
  },
  max_retained_bytes: () => {
    const broker = new FakeBroker();
    const publisher = broker.connect();
    reload(broker, { limits: { retainedBytesMax: 3 } });
    assert.is(answerTo(publisher, 'b', '4444', true), QUOTA_EXCEEDED);
  },
};

export const coreKeys: Observations = { ...deliveries, ...connecting, ...flows, ...topics };
