/**
 * The strict parser and the observer, checked themselves at the start of every run: each of these
 * packets breaks a rule, and must be seen to.
 */

import type { ConnectFields, Version } from './raw/build.js';
import { Observer } from './raw/observer.js';
import { nextFrame, parsePacket } from './raw/parse.js';
import type { Breach, Rule } from './raw/rules.js';

/** Version, rule that is broken, what the broker sends (hexadecimal), what CONNECT had. */
type Sample = readonly [Version, Rule, string, ConnectFields?];

const OK = '2003000000';
const samples: readonly Sample[] = [
  [4, 'flags', '21020000'],
  [4, 'flags', '20020000 60020001'],
  [4, 'layout', '2003000000'],
  [4, 'layout', '20020000 e000'],
  [5, 'layout', `${OK} 820700010000016100`],
  [5, 'utf8', `${OK} 30050001ff0078`],
  [5, 'utf8', `${OK} 3005000100 0078`],
  [5, 'varint', `${OK} 3085000001610078`],
  [5, 'varint', `${OK} 30060001618000 78`],
  [5, 'properties', '20050000091100'],
  [5, 'properties', '200900000622000122 0001'],
  [5, 'properties', '2005000002017f'],
  [5, 'properties', '2006000003210000'],
  [5, 'packet-id-zero', `${OK} 32060001610000 00`],
  [5, 'packet-id-in-use', `${OK} 3206000161000100 3206000161000100`],
  [4, 'qos-0-dup', '20020000 3803000161'],
  [4, 'qos-3', '20020000 360500016100 01'],
  [4, 'topic', '20020000 3003000123'],
  [4, 'topic', '20020000 30020000'],
  [5, 'topic', `${OK} 3008000161 04080001 23`],
  [4, 'connack-first', '3003000161'],
  [4, 'connack-once', '20020000 20020000'],
  [4, 'connack-flags', '20020200'],
  [3, 'connack-flags', '20020100'],
  [4, 'connack-session', '20020105'],
  [4, 'code-connack', '20020006'],
  [5, 'code-connack', '200300048b'],
  [5, 'code-puback', `${OK} 4003000192`],
  [5, 'code-pubrec', `${OK} 5003000192`],
  [5, 'code-pubrel', `${OK} 6203000180`],
  [5, 'code-pubcomp', `${OK} 7003000180`],
  [4, 'code-suback', '20020000 9003000103'],
  [5, 'code-suback', `${OK} 900400010010`],
  [5, 'code-unsuback', `${OK} b00400010010`],
  [5, 'code-disconnect', `${OK} e00104`],
  [5, 'code-auth', `${OK} f00119`],
  [5, 'topic-alias', `${OK} 300700016103230001`],
  [5, 'response-information', '2007000004 1a000161'],
  [
    5,
    'problem-information',
    `${OK} 4008000187041f000161`,
    { properties: { requestProblemInformation: 0 } },
  ],
  [5, 'packet-size', `${OK} 3006000161007878`, { properties: { maximumPacketSize: 7 } }],
  [
    5,
    'receive-maximum',
    `${OK} 3206000161000100 3206000161000200`,
    { properties: { receiveMaximum: 1 } },
  ],
  [5, 'disconnect-early', 'e00182'],
  [5, 'disconnect-session-expiry', `${OK} e007000511 00000001`],
  [5, 'after-disconnect', `${OK} e00182 d000`],
  [5, 'auth-unasked', `${OK} f00118`],
  [5, 'auth-method', OK, { properties: { authenticationMethod: 'x' } }],
];

/** What the parser overlooked; empty when it sees all. */
export function selfCheck(): string[] {
  return samples.flatMap(([version, rule, text, fields = {}]) => {
    const breaches: Breach[] = [];
    const observer = new Observer(version, breaches);
    observer.onConnect(fields);
    let rest = Buffer.from(text.replaceAll(' ', ''), 'hex');
    while (rest.length > 0) {
      const one = nextFrame(rest, breaches);
      if (one === null) return [`self-check: ${text} is no whole packet`];
      observer.onReceived(parsePacket(one, version, breaches));
      rest = rest.subarray(one.length);
    }
    const found = breaches.map((breach) => breach.rule);
    if (found.includes(rule)) return [];
    return [`self-check: ${text} breaks ${rule}, seen: ${found.join(', ') || 'nothing'}`];
  });
}
