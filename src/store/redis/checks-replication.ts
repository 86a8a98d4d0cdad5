/** Whether what is acknowledged gets to replicas. */
import { isReplica, type ServerFacts } from './facts.js';
import { type Finding, found, sizeText } from './finding.js';
import { type InfoFields, onlineReplicas } from './info.js';

const LAG_SECONDS_MAX = 2;

export function inspectReplication(facts: ServerFacts): Finding[] {
  const { config, info } = facts;
  if (isReplica(info)) return found([primaryLink(info)]);
  const online = onlineReplicas(info);
  return found([
    replicas(facts, online),
    config === null ? null : wanted(facts, config.number('min-replicas-to-write'), online),
    ...lagging(info, config),
  ]);
}

function replicas({ ackLevel, info }: ServerFacts, online: number): Finding | null {
  if (online > 0) return null;
  const connected = info.number('connected_slaves');
  const what = connected > 0 ? `none of ${connected} replicas follows yet` : 'no replica';
  const name = 'replicas';
  if (ackLevel === 'replica') {
    return {
      level: 'error',
      name,
      what: `${what}, and ack_level is replica`,
      why: 'writes wait until one follows',
      todo: 'add a replica, or see why it is away',
    };
  }
  return {
    level: 'warning',
    name,
    what,
    why: 'what is acknowledged is lost with this server, or waits until it is back',
    todo: 'add one: then acknowledgements wait for it, and it takes over',
  };
}

/** Redis refuses writes, too, when replicas are missing. */
function wanted({ ackLevel }: ServerFacts, min: number, online: number): Finding | null {
  if (!(min > 0)) return null;
  const name = 'min-replicas-to-write';
  const what = `min-replicas-to-write is ${min}, and ${online} follow`;
  if (online < min) {
    return {
      level: 'error',
      name,
      what,
      why: 'Redis refuses every write (NOREPLICAS)',
      todo: 'bring the replicas back, or lower it',
    };
  }
  if (ackLevel === 'primary') {
    return {
      level: 'advice',
      name,
      what: `${what}; ack_level is primary`,
      why: 'writes stop without replicas that no acknowledgement waits for',
      todo: 'set ack_level replica, or min-replicas-to-write 0',
    };
  }
  if (min < 2 || online > min) return null;
  return {
    level: 'advice',
    name,
    what,
    why: 'when one of them is away nothing is written, while acknowledgements need one replica',
    todo: 'set min-replicas-to-write 1',
  };
}

function primaryLink(info: InfoFields): Finding | null {
  if (info.text('master_link_status') !== 'down') return null;
  const isCopying = info.text('master_sync_in_progress') === '1';
  const seconds = info.number('master_link_down_since_seconds');
  const since = seconds >= 0 ? ` for ${seconds} s` : '';
  return {
    level: isCopying ? 'warning' : 'error',
    name: 'master-link',
    what: isCopying
      ? 'the replica is being copied to'
      : `the replica has not followed its primary${since}`,
    why: 'what is acknowledged now is not on it; it could not take over without a loss',
    todo: isCopying
      ? 'wait; when it comes again, raise repl-backlog-size and the output buffer limit'
      : 'see its log: the network, masterauth and masteruser, or a primary that is down',
  };
}

/** `slave0:ip=…,port=…,state=online,offset=…,lag=…`. */
function lagging(info: InfoFields, config: InfoFields | null): (Finding | null)[] {
  const end = info.number('master_repl_offset');
  const backlog = config?.number('repl-backlog-size') ?? Number.NaN;
  const all: (Finding | null)[] = [];
  for (let index = 0; info.text(`slave${index}`) !== ''; index++) {
    const fields = new Map(
      info
        .text(`slave${index}`)
        .split(',')
        .map((part) => part.split('=') as [string, string]),
    );
    if (fields.get('state') !== 'online') continue;
    const lag = Number(fields.get('lag'));
    const behind = end - Number(fields.get('offset'));
    const name = `${fields.get('ip')}:${fields.get('port')}`;
    const isLate = lag > LAG_SECONDS_MAX;
    if (!isLate && !(behind > backlog / 2)) continue;
    all.push({
      level: 'warning',
      name: 'replication-lag',
      what: isLate
        ? `the replica ${name} was last heard ${lag} s ago`
        : `the replica ${name} is ${sizeText(behind)} behind`,
      why: 'acknowledgements that wait for it are as late',
      todo: 'see what slows it down: its disk, its CPU, or the network between them',
    });
  }
  return all;
}
