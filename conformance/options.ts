/** The command line of the suite. */

export interface Options {
  /** `host:port` of a broker that is already there; null: start one. */
  readonly remote: { readonly host: string; readonly port: number } | null;
  readonly isMosquitto: boolean;
  /** Three brokers on a Redis Cluster, with the clients of each test spread over them. */
  readonly isCluster: boolean;
  /** Part of a test's name or statement id; empty: all. */
  readonly only: string;
  readonly isReport: boolean;
  /** Write the declared tests into statements.json first. */
  readonly isSync: boolean;
}

export const usage = `usage: npm run conformance --
         [--broker host:port | --mosquitto | --cluster] [--only text] [--report]
  --broker host:port  test the broker that listens there, as far as its default configuration allows
  --mosquitto         start and test mosquitto instead of this repository's broker
  --cluster           test three brokers on one Redis Cluster, each test's clients spread over them
  --only text         run the tests whose name or statement id holds the text
  --report            test all three and write docs/conformance.md
  --sync              write the tests that the code declares into conformance/statements.json`;

export class UsageError extends Error {}

export function parseOptions(words: readonly string[]): Options {
  let remote: Options['remote'] = null;
  let only = '';
  const flags = new Set<string>();
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    if (word === '--broker') remote = parseRemote(words[++at] ?? '');
    else if (word === '--only') only = words[++at] ?? '';
    else if (['--mosquitto', '--cluster', '--report', '--sync'].includes(word)) flags.add(word);
    else throw new UsageError(`unknown option ${word}\n${usage}`);
  }
  const isMosquitto = flags.has('--mosquitto');
  const isReport = flags.has('--report');
  const isCluster = flags.has('--cluster');
  if (Number(remote !== null) + Number(isMosquitto) + Number(isCluster) > 1) {
    throw new UsageError('--broker, --mosquitto and --cluster: choose one');
  }
  if (isReport && (remote !== null || only !== '')) {
    throw new UsageError('--report runs every test against all brokers: no --broker or --only');
  }
  return { remote, isMosquitto, isCluster, only, isReport, isSync: flags.has('--sync') };
}

function parseRemote(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  const port = Number(text.slice(at + 1));
  if (at < 1 || !Number.isInteger(port) || port < 1 || port > 65535) {
    throw new UsageError(`--broker ${text}: not host:port`);
  }
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port };
}
