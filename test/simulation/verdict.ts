/** What was promised (DESIGN.md, section 1), held against what happened. */
import type { BrokerCore } from '../../src/broker/core.js';
import { DropReason } from '../../src/broker/metrics.js';
import type { History, Probe } from './history.js';
import type { Sent } from './publisher.js';
import type { Delivery, Subscriber } from './subscriber.js';

/** Milliseconds after which what was written has been read. */
const HEARD_MS = 1_000;

/**
 * @param probe absent: the history is over, and its problems are final
 */
export function judge(history: History, probe?: Probe): void {
  const add = (text: string): void => {
    if (probe === undefined) history.onProblem(text);
    else probe.add(text);
  };
  const sent = new Map<string, Sent>();
  for (const publisher of history.publishers) {
    for (const one of publisher.sent) sent.set(one.payload, one);
  }
  judgeClients(history, add);
  judgeGroup(history, sent, add);
  judgeRetained(history, add);
  judgeWills(history, add, probe === undefined);
  for (const subscriber of history.subscribers) {
    if (subscriber.isShared) continue;
    judgeDeliveries(history, subscriber, sent, add);
  }
  if (probe !== undefined) return;
  judgeCounters(history, add);
  if (!history.hasFaults) judgeQos0(history, sent, add);
  for (const subscriber of history.subscribers) {
    // What one member did not acknowledge goes to another one, behind what that one had.
    if (!subscriber.isShared) judgeOrder(history, subscriber, sent, add);
  }
}

type Add = (text: string) => void;

/** Nobody waits for ever. */
function judgeClients({ clients }: History, add: Add): void {
  for (const client of clients) {
    if (!client.isConnected) add(`${client.clientId} is not connected in the end`);
    else if (client.waitingFor() !== '') add(`${client.clientId} waits for ${client.waitingFor()}`);
  }
}

/** P1, P2, P4, and P6: so many as are missing were counted. */
function judgeDeliveries(
  { drops }: History,
  subscriber: Subscriber,
  sent: ReadonlyMap<string, Sent>,
  add: Add,
): void {
  const { clientId, session, subscription } = subscriber;
  const isHere = subscriber.isConnected;
  const sinceMs = subscriber.subscribedMs.get(session);
  const counts = new Map<string, number>();
  const retained = new Set<string>();
  for (const one of subscriber.got) {
    if (one.session !== session) continue;
    // A retained copy says nothing of whether the message itself has come.
    if (one.retain) retained.add(one.payload);
    else counts.set(one.payload, (counts.get(one.payload) ?? 0) + 1);
  }
  const missing: string[] = [];
  for (const one of sent.values()) {
    const count = counts.get(one.payload) ?? 0;
    if (!matches(subscription.filter, one.topic)) continue;
    if (one.qos === 2 && subscription.qos === 2 && count > 1) {
      add(`${clientId} got ${one.payload} ${count} times (P2)`);
    }
    if (one.qos === 0 || subscription.qos === 0) continue;
    if (one.ackedMs < 0 || count > 0 || !isHere) continue;
    if (retained.has(one.payload)) continue;
    if (sinceMs !== undefined && sinceMs <= one.sentMs) missing.push(one.payload);
  }
  judgeMissing(clientId, missing, drops.of(clientId, sinceMs ?? 0), add);
}

function judgeMissing(who: string, missing: readonly string[], dropped: number, add: Add): void {
  if (missing.length <= dropped) return;
  const what = dropped === 0 ? '' : `, and ${dropped} were counted as dropped`;
  add(`${who} did not get ${missing.join(' ')}: acknowledged${what} (P1, P4, P6)`);
}

/** P6: what brokers told one by one is what they counted. */
function judgeCounters({ brokers, drops }: History, add: Add): void {
  for (const { core, process } of brokers) {
    for (const [name, reason] of Object.entries(DropReason)) {
      const counted = core!.metrics.dropped[reason]!;
      const told = drops.by(process.name, reason);
      if (counted !== told) add(`${process.name} counted ${counted} ${name}, told of ${told} (P6)`);
    }
  }
}

/**
 * P6 of QoS 0, where nothing has gone wrong: what a connected client misses was counted. It counts
 * from a while after SUBACK or CONNACK on: brokers hear of who is where without being waited for.
 */
function judgeQos0(history: History, sent: ReadonlyMap<string, Sent>, add: Add): void {
  const { drops, publishers, subscribers } = history;
  const isHeard = ({ connection, publisher, sentMs }: Sent): boolean => {
    const { connections } = publishers.find(({ clientId }) => clientId === publisher)!;
    const { closedMs } = connections[connection - 1]!;
    return closedMs < 0 || closedMs - sentMs > HEARD_MS;
  };
  for (const subscriber of subscribers) {
    const { clientId, connections, isShared, session, subscribedMs, subscription } = subscriber;
    const subscribed = subscribedMs.get(session);
    if (isShared || !subscriber.isConnected || subscribed === undefined) continue;
    const sinceMs = Math.max(subscribed, connections.at(-1)!.welcomeMs);
    const got = new Set(subscriber.got.map(({ payload }) => payload));
    const missing = [...sent.values()].filter(
      (one) =>
        one.sentMs > sinceMs + HEARD_MS &&
        (one.qos === 0 || (subscription.qos === 0 && one.ackedMs >= 0)) &&
        matches(subscription.filter, one.topic) &&
        !got.has(one.payload) &&
        isHeard(one),
    );
    const names = missing.map(({ payload }) => payload);
    const dropped = drops.of(clientId, sinceMs);
    if (names.length > dropped) {
      add(`${clientId} missed ${names.join(' ')}, and ${dropped} were counted as dropped (P6)`);
    }
  }
}

/**
 * P1 of a shared subscription: somebody got it. A message of QoS 2 that was meant for a transient
 * member ends with that one's session: once its delivery has begun, nobody else must get it
 * [MQTT-4.8.2-5].
 */
function judgeGroup(
  { drops, subscribers }: History,
  sent: ReadonlyMap<string, Sent>,
  add: Add,
): void {
  const members = subscribers.filter(({ isShared }) => isShared);
  // One with a durable session is always there.
  const sinceMs = members[0]?.subscribedMs.get(1);
  if (sinceMs === undefined) return;
  const got = new Set(members.flatMap((member) => member.got.map(({ payload }) => payload)));
  const missing: string[] = [];
  for (const one of sent.values()) {
    if (one.qos !== 1 || one.ackedMs < 0 || got.has(one.payload)) continue;
    if (matches('s/#', one.topic) && one.sentMs >= sinceMs) missing.push(one.payload);
  }
  // What expired on its way to a member that has left meanwhile is nobody's.
  const names = [...members.map(({ clientId }) => clientId), null];
  const dropped = names.reduce((sum, name) => sum + drops.of(name, sinceMs), 0);
  judgeMissing('the group', missing, dropped, add);
}

/** Each publisher has a topic of its own: its last message is what every broker retains. */
function judgeRetained({ brokers, publishers }: History, add: Add): void {
  for (const { clientId, sent } of publishers) {
    const topic = `r/${clientId}`;
    const all = sent.filter((one) => one.retain);
    const acknowledged = all.findLastIndex(({ ackedMs }) => ackedMs >= 0);
    const allowed = new Set<string>(all.slice(Math.max(0, acknowledged)).map((one) => one.payload));
    // What a client gave up may come at any time.
    for (const one of all) if (one.isGivenUp) allowed.add(one.payload);
    // One of QoS 1 that is sent again counts anew; those of QoS 2 behind it do not, if they were
    // taken before.
    let at = acknowledged;
    while (at > 0 && all[at]!.qos === 2) at--;
    if (at >= 0 && all[at]!.isRepeated) allowed.add(all[at]!.payload);
    const found = brokers.map(({ core }) => payloadOf(core!.retained.get(topic)));
    for (const [index, payload] of found.entries()) {
      const { name } = brokers[index]!;
      if (payload !== found[0]) add(`${name} retains ${payload} of ${topic}, others ${found[0]}`);
      if (payload === '' ? acknowledged >= 0 : !allowed.has(payload)) {
        add(`${name} retains ${payload || 'nothing'} of ${topic}, not the last message`);
      }
    }
  }
}

function payloadOf(message: ReturnType<BrokerCore['retained']['get']>): string {
  if (message === null) return '';
  const { block, end, payloadStart } = message;
  return Buffer.from(block.bytes.subarray(payloadStart, end)).toString();
}

/** Each at most once; exactly once after a loss, if it does not wait for anything. */
function judgeWills(
  { clients, drops, hasBrokerFaults, subscribers }: History,
  add: Add,
  isFinal: boolean,
): void {
  const mourner = subscribers.find(({ clientId }) => clientId === 'w0')!;
  const counts = new Map<string, number>();
  for (const { payload, retain } of mourner.got) {
    if (!retain) counts.set(payload, (counts.get(payload) ?? 0) + 1);
  }
  const sinceMs = mourner.subscribedMs.get(1) ?? Number.POSITIVE_INFINITY;
  const missing: string[] = [];
  for (const { clientId, connections, traits } of clients) {
    if (traits.will === null || clientId === 'w0') continue;
    for (const one of connections) {
      const name = `${clientId}#${one.number}`;
      const count = counts.get(name) ?? 0;
      if (isFinal && traits.will.qos === 2 && count > 1) add(`will ${name} came ${count} times`);
      if (count > 0 && (one.isOpen || one.isFarewell)) {
        // A DISCONNECT is not acknowledged: it may be lost with its broker, and who does not read
        // is not read.
        const isLost = one.isFarewell && (hasBrokerFaults || traits.isSlow);
        if (isFinal && !isLost) add(`will ${name} came although it was not to`);
      }
      // Of a transient client that came while Redis was away, only a broker knew that has died.
      const isForgotten = one.isUnrecorded && hasBrokerFaults;
      const isOver = one.isWelcome && !one.isOpen && !one.isFarewell && !isForgotten;
      const isDue = isOver && one.welcomeMs >= sinceMs;
      const waits = traits.version === 5 && traits.will.delayS > 0;
      if (isDue && !waits && count === 0) missing.push(`will ${name}`);
    }
  }
  judgeMissing('w0', missing, drops.of('w0', sinceMs), add);
}

/** P5: the first time that each message came. */
function judgeOrder(
  { isTight }: History,
  subscriber: Subscriber,
  sent: ReadonlyMap<string, Sent>,
  add: Add,
): void {
  const latest = new Map<string, number>();
  const seen = new Set<string>();
  for (const delivery of subscriber.got) {
    const one = sent.get(delivery.payload);
    if (one === undefined || delivery.retain || seen.has(keyOf(delivery))) continue;
    seen.add(keyOf(delivery));
    // What a client gave up may lie unread at a broker that is stopped, and comes when it goes on;
    // the same goes for QoS 0.
    if (one.isGivenUp) continue;
    // Dropped and counted at first, and taken when its publisher sent it again.
    if (isTight && one.isRepeated) continue;
    // It was sent first when nobody had subscribed, and comes again behind what was sent since.
    const sinceMs = subscriber.subscribedMs.get(delivery.session) ?? 0;
    if (one.isRepeated && one.sentMs < sinceMs) continue;
    const from = one.qos === 0 ? one.connection : 0;
    const line = `${delivery.session} ${one.publisher} ${one.topic} ${one.qos} ${from}`;
    if (one.number < (latest.get(line) ?? 0)) {
      add(`${subscriber.clientId} got ${one.payload} behind a later one (P5)`);
    }
    latest.set(line, Math.max(one.number, latest.get(line) ?? 0));
  }
}

function keyOf({ payload, session }: Delivery): string {
  return `${session} ${payload}`;
}

/** Of the filters that histories use. */
function matches(filter: string, topic: string): boolean {
  const parts = filter.split('/');
  const levels = topic.split('/');
  for (const [at, part] of parts.entries()) {
    if (part === '#') return true;
    if (levels[at] === undefined || (part !== '+' && part !== levels[at])) return false;
  }
  return parts.length === levels.length;
}
