/**
 * Redis servers that speak TLS, with the certificates of the TLS listeners' tests and a user who
 * may do no more than a broker needs. Each one has a plain port as well, for the test's own
 * commands only: the user may not log in there by another password, and nobody is told of it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RedisTls } from '../../../src/store/redis/options.js';
import { freePort } from '../../support/port.js';
import { RedisServer, type Settings } from '../../support/redis-server.js';
import { projectRoot } from '../../support/root.js';
import { until } from '../../support/until.js';

export const login = { username: 'tidewire', password: 'Ebb & flow, 1€' };

const SLOTS = 16_384;
const fixture = (name: string) => join(projectRoot, 'test/fixtures/tls', name);

export const trusting: RedisTls = { ca: readFileSync(fixture('ca.crt')) };
export const certified: RedisTls = {
  ...trusting,
  cert: readFileSync(fixture('client.crt')),
  key: readFileSync(fixture('client.key')),
};
export const caFile = fixture('ca.crt');

/** What docs/configuration.md says a broker needs, but for the prefix. */
export function rulesFor(prefix: string): string[] {
  const text = readFileSync(join(projectRoot, 'docs/configuration.md'), 'utf8');
  const line = /^ {4}ACL SETUSER tidewire (.*)$/m.exec(text)?.[1];
  if (line === undefined) throw new Error('docs/configuration.md has no ACL SETUSER tidewire');
  const words = line.split(' ').map((word) => (word.startsWith('~') ? `~${prefix}*` : word));
  return words.map((word) => (word.startsWith('>') ? `>${login.password}` : word));
}

export interface TlsServer {
  readonly server: RedisServer;
  readonly tlsPort: number;
}

export async function startTls(
  folder: string,
  more: Settings = {},
  rules: readonly string[] = rulesFor(''),
): Promise<TlsServer> {
  const tlsPort = await freePort();
  const server = await RedisServer.start({
    folder,
    settings: {
      'tls-port': tlsPort,
      'tls-ca-cert-file': fixture('ca.crt'),
      'tls-cert-file': fixture('server.crt'),
      'tls-key-file': fixture('server.key'),
      'tls-auth-clients': 'no',
      ...more,
    },
  });
  await server.command('ACL', 'SETUSER', login.username, ...rules);
  return { server, tlsPort };
}

/** Three primaries and a replica of each, who speak TLS with each other as well. */
export class TlsCluster {
  readonly nodes: readonly TlsServer[];

  private constructor(nodes: readonly TlsServer[]) {
    this.nodes = nodes;
  }

  static async start(folder: string): Promise<TlsCluster> {
    const nodes: TlsServer[] = [];
    const cluster = new TlsCluster(nodes);
    try {
      for (let index = 0; index < 6; index++) {
        const settings = {
          'cluster-enabled': 'yes',
          'cluster-port': await freePort(),
          'cluster-node-timeout': 2_000,
          'tls-cluster': 'yes',
          'tls-replication': 'yes',
        };
        nodes.push(await startTls(join(folder, `tls-${index}`), settings));
      }
      await cluster.join();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** As `redis_nodes`: one is enough. */
  get seeds(): [string, number][] {
    return [['localhost', this.nodes[0]!.tlsPort]];
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(({ server }) => server.kill()));
  }

  private async join(): Promise<void> {
    const [first, ...others] = this.nodes.map(({ server }) => server);
    for (const [index, { server }] of this.nodes.slice(0, 3).entries()) {
      const from = Math.floor((SLOTS * index) / 3);
      const to = Math.floor((SLOTS * (index + 1)) / 3) - 1;
      await server.command('CLUSTER', 'ADDSLOTSRANGE', from, to);
      await server.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    }
    for (const { server, tlsPort } of this.nodes.slice(1)) {
      const bus = String(((await server.command('CONFIG', 'GET', 'cluster-port')) as string[])[1]);
      await first!.command('CLUSTER', 'MEET', '127.0.0.1', tlsPort, bus);
    }
    const knowsAll = async (server: RedisServer) =>
      String(await server.command('CLUSTER', 'INFO')).includes('cluster_known_nodes:6');
    for (const server of [first!, ...others]) {
      await until('the nodes to know each other', () => knowsAll(server), { deadlineMs: 20_000 });
    }
    for (const [index, { server }] of this.nodes.slice(3).entries()) {
      const id = String(await this.nodes[index]!.server.command('CLUSTER', 'MYID'));
      await until('the primary to be known', async () =>
        server.command('CLUSTER', 'REPLICATE', id).then(
          () => true,
          () => false,
        ),
      );
    }
    await until('the cluster', () => this.isReady(), { deadlineMs: 30_000 });
  }

  private async isReady(): Promise<boolean> {
    for (const [index, { server }] of this.nodes.entries()) {
      const state = String(await server.command('CLUSTER', 'INFO'));
      if (!state.includes('cluster_state:ok') || !state.includes('slots_ok:16384')) return false;
      if (index < 3 && !(await server.info('slave0')).includes('state=online')) return false;
    }
    return true;
  }
}
