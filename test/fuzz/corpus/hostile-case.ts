/** What the cases of the corpus are made of. */
import { connect, publish, type Version } from '../../../conformance/raw/build.js';

/** `http` is the WebSocket listener without an upgrade. */
export type ListenerName = 'plain' | 'mounted' | 'proxy' | 'websocket' | 'http';

/**
 * What the broker does: `closed`: it ends the connection, at the latest when the connect timeout
 * or the keep-alive is over; `served`: it goes on serving this client.
 */
export type Verdict = 'closed' | 'served';

export interface HostileCase {
  /** Unique; a sentence's subject. */
  readonly name: string;
  readonly chunks: readonly Buffer[];
  readonly verdict: Verdict;
  /** Reason code of the last DISCONNECT or CONNACK; absent: not looked at. */
  readonly reasonCode?: number;
  /** Default `plain`. */
  readonly listener?: ListenerName;
  /** Sent as they are, not in WebSocket frames. */
  readonly isRaw?: boolean;
  /** Of the session; 0: the chunks are not MQTT up to their end, so nothing can follow them. */
  readonly version: Version | 0;
}

let clients = 0;

/** The shortest CONNECT that is accepted; each call is another client. */
export function hello(version: Version, keepAlive = 0): Buffer {
  return connect(version, { clientId: `corpus-${++clients}`, keepAlive });
}

/** A case inside a session. */
export function inSession(
  version: Version,
  name: string,
  packets: readonly Buffer[],
  verdict: Verdict,
  reasonCode?: number,
): HostileCase {
  const code = version === 5 && reasonCode !== undefined ? { reasonCode } : {};
  const standard = version === 5 ? '5.0' : version === 4 ? '3.1.1' : '3.1';
  return {
    name: `${name} in MQTT ${standard}`,
    chunks: [hello(version), ...packets],
    verdict,
    version,
    ...code,
  };
}

/** The same in a session of MQTT 3.1.1 and one of 5.0. */
export function inBoth(
  name: string,
  build: (version: 4 | 5) => readonly Buffer[],
  verdict: Verdict,
  reasonCode?: number,
): HostileCase[] {
  return ([4, 5] as const).map((version) =>
    inSession(version, name, build(version), verdict, reasonCode),
  );
}

/** Never to be delivered: it stands behind what closes the connection. */
export function afterTopic(hostile: HostileCase): Buffer {
  const version = hostile.version === 0 ? 4 : hostile.version;
  return publish(version, { topic: 'after/it', payload: hostile.name });
}

export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}
