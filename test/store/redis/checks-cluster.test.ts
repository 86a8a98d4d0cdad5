/** What is said about a cluster as a whole, from what its nodes say. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inspectAll } from '../../../src/store/redis/checks-all.js';
import {
  parseClusterNodes,
  rangesText,
  type SeenNode,
  unservedSlots,
} from '../../../src/store/redis/cluster-nodes.js';
import { InfoFields } from '../../../src/store/redis/info.js';
import type { Look, Survey, SurveyedNode } from '../../../src/store/redis/survey.js';

const test = suite('redis checks of a cluster');

const asked = { host: '10.0.0.1', port: 6379 };
const lines = [
  'a1 :6379@16379 myself,master - 0 0 1 connected 0-5460 [5461->-b1]',
  'b1 10.0.0.2:6379@16379,redis-b master - 0 0 2 connected 5461-10922',
  'c1 10.0.0.3:6379@16379,,shard-id=77 master - 0 0 3 connected 10923-16382 16383',
  'a2 10.0.0.2:6380@16380 slave a1 0 0 1 connected',
  'b2 10.0.0.3:6380@16380 slave,fail? b1 0 0 2 disconnected',
  'c2 fd00::2:6380@16380 slave c1 0 0 3 connected',
];

test('CLUSTER NODES is understood, names, moving slots and IPv6 included', () => {
  const seen = parseClusterNodes(`${lines.join('\n')}\n`, asked);

  assert.equal(seen[0], {
    id: 'a1',
    address: asked,
    isSelf: true,
    isPrimary: true,
    primaryId: null,
    flags: [],
    ranges: [[0, 5460]],
    moving: [5461],
  });
  assert.equal(seen[2]!.ranges.at(-1), [16383, 16383]);
  assert.is(rangesText(seen[2]!.ranges), '10923-16382, 16383');
  assert.equal(seen[4]!.flags, ['fail?']);
  assert.is(seen[4]!.primaryId, 'b1');
  assert.equal(seen[5]!.address, { host: 'fd00::2', port: 6380 });
});

test('slots that nobody serves, or only a dead node, are counted', () => {
  const served = (more: (line: string) => string) =>
    unservedSlots(parseClusterNodes(lines.map(more).join('\n'), asked));
  assert.equal(
    served((line) => line),
    { count: 0, text: '' },
  );
  assert.equal(
    served((line) => line.replace(' 16383', '').replace(' 0-5460', ' 1-5460')),
    { count: 2, text: '0, 16383' },
  );
  assert.equal(
    served((line) => line.replace('master - 0 0 2', 'master,fail - 0 0 2')),
    { count: 5462, text: '5461-10922' },
  );
});

interface Node extends Partial<SurveyedNode> {
  readonly info?: Readonly<Record<string, string>>;
  readonly maxmemory?: string;
  readonly moving?: readonly number[];
  readonly state?: string;
}

function nodeOf(name: string, node: Node = {}): SurveyedNode {
  const { info, maxmemory = '1000', moving = [], state = 'ok', ...rest } = node;
  const isPrimary = rest.primary === undefined || rest.primary === null;
  const role = isPrimary
    ? { role: 'master', connected_slaves: '1', slave0: 'ip=1,port=1,state=online,lag=0' }
    : { role: 'slave', master_link_status: 'up' };
  const config = { maxmemory, 'maxmemory-policy': 'noeviction', appendonly: 'yes' };
  const look: Look = {
    facts: {
      info: new InfoFields(new Map(Object.entries({ redis_version: '7.0.15', ...role, ...info }))),
      config: new InfoFields(new Map(Object.entries(config))),
      ackLevel: null,
      hasWaitAof: false,
    },
    latency: { medianMs: 0.1, worstMs: 1, slow: null, events: [] },
    state,
    moving,
  };
  return {
    name,
    host: name.split(':')[0]!,
    isPrimary,
    primary: null,
    slots: isPrimary ? '0-1' : '',
    flags: [],
    look,
    ...rest,
  };
}

const good = [
  nodeOf('h1:1'),
  nodeOf('h2:1', { primary: 'h1:1' }),
  nodeOf('h3:1'),
  nodeOf('h4:1', { primary: 'h3:1' }),
  nodeOf('h5:1'),
  nodeOf('h6:1', { primary: 'h5:1' }),
];
const seen: SeenNode[] = parseClusterNodes(
  'id h1:1@2 myself,master - 0 0 1 connected 0-16383',
  asked,
);
const seed = { name: 'h1:1', problem: null, id: 'id', seen };

function found(nodes: readonly SurveyedNode[], more: Partial<Survey> = {}): string[] {
  const survey = { isCluster: true, ackLevel: null, seen, seeds: [seed], nodes, ...more };
  return inspectAll(survey).map((finding) => {
    const { level, name, what, why, todo } = finding;
    for (const text of [what, why, todo]) {
      assert.ok(text !== '');
      assert.not.match(text, /undefined|NaN|null|\n/);
    }
    return `${level} ${name} ${finding.nodes.join(',')}`.trim();
  });
}

const withNode = (at: number, node: SurveyedNode) =>
  good.map((one, index) => (index === at ? node : one));

test('nothing is said of a cluster that is set up well', () => {
  assert.equal(found(good), []);
});

test('nodes that cannot be asked, are taken for dead, or refuse are named, the worst first', () => {
  const look = 'no answer within 1000 ms';
  assert.equal(found(withNode(0, nodeOf('h1:1', { look }))), ['error unreachable h1:1']);
  const replica = nodeOf('h2:1', { look, primary: 'h1:1' });
  assert.equal(found(withNode(1, replica)), ['warning unreachable h2:1']);
  assert.equal(found(withNode(0, nodeOf('h1:1', { flags: ['fail'] }))), ['error failed h1:1']);
  const down = withNode(2, nodeOf('h3:1', { state: 'fail', moving: [7] }));
  assert.equal(found(down), ['error cluster-state h3:1', 'warning open-slots h3:1']);
});

test('slots without a node, too few primaries, and different versions are named', () => {
  const half = parseClusterNodes('id h1:1@2 myself,master - 0 0 1 connected 0-8000', asked);
  assert.equal(found(good, { seen: half }), ['error slots']);
  assert.equal(found(good.slice(0, 4)), ['warning primaries']);
  const other = nodeOf('h6:1', { primary: 'h5:1', info: { redis_version: '7.2.4' } });
  assert.equal(found(withNode(5, other)), ['warning versions']);
});

test('hosts that too much depends on are advice', () => {
  const onOne = good.map((node) => ({ ...node, host: 'h' }));
  assert.equal(found(onOne), ['advice same-host']);
  const beside = good.map((node, index) => (index === 1 ? { ...node, host: 'h1' } : node));
  assert.equal(found(beside), ['advice same-host']);
  const crowded = good.map((node, index) => (index === 2 ? { ...node, host: 'h1' } : node));
  assert.equal(found(crowded), ['advice same-host']);
});

test('what holds for several nodes is said once', () => {
  const info = { loading: '1' };
  const both = [nodeOf('h1:1', { info }), good[1]!, nodeOf('h3:1', { info }), ...good.slice(3)];
  assert.equal(found(both), ['error loading h1:1,h3:1']);
});

test('a replica with less memory than its primary is named', () => {
  const small = nodeOf('h2:1', { primary: 'h1:1', maxmemory: '10' });
  assert.equal(found(withNode(1, small)), ['warning maxmemory h2:1']);
});

test('nodes given that do not answer, or belong elsewhere, are named', () => {
  const dead = { name: 'h9:1', problem: 'h9:1: refused', id: '', seen: null };
  assert.equal(found(good, { seeds: [seed, dead] }), ['warning seeds h9:1']);
  const foreign = { name: 'h8:1', problem: null, id: 'other', seen };
  assert.equal(found(good, { seeds: [seed, foreign] }), ['error seeds h8:1']);
});

test('a single server: a replica, several ones, and one that nobody replaces', () => {
  const single = { isCluster: false, seen: [] };
  const alone = [nodeOf('h1:1', { slots: '' })];
  assert.equal(found(alone, single), []);
  const replica = nodeOf('h2:1', { primary: 'h1:1', slots: '' });
  assert.equal(found([...alone, replica], single), ['advice failover']);
  assert.equal(found([replica], single), ['error read-only']);
  const other = { name: 'h3:1', problem: null, id: 'other', seen: null };
  assert.equal(found(alone, { ...single, seeds: [seed, other] }), ['error seeds']);
});

test.run();
