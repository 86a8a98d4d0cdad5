import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LoadError } from '../../../bench/load/load-error.js';
import { parseLoadOptions } from '../../../bench/load/options.js';

const test = suite('load generator options');

test('the processes of a store are told apart from those of the broker', () => {
  const options = parseLoadOptions(['-k', '7', '-K', '8,9']);
  assert.equal(options.brokerPids, [7]);
  assert.equal(options.storePids, [8, 9]);
  assert.equal(parseLoadOptions([]).storePids, []);
});

test('-a times PUBACKs, -B queues messages for durable subscribers', () => {
  assert.is(parseLoadOptions(['-q', '1', '-a']).measuresAcks, true);
  assert.is(parseLoadOptions(['-q', '1']).measuresAcks, false);
  assert.is(parseLoadOptions(['-q', '1', '-c', '-B', '1000']).backlog, 1000);
  assert.is(parseLoadOptions([]).backlog, 0);
});

test('options that make no sense together are refused', () => {
  const refused = (args: readonly string[], detail: RegExp) => {
    assert.throws(
      () => parseLoadOptions(args),
      (error: unknown) => error instanceof LoadError && error.isUsage && detail.test(error.message),
    );
  };
  refused(['-a'], /-a needs -q 1/);
  refused(['-q', '2', '-a'], /-a needs -q 1/);
  refused(['-q', '1', '-B', '10'], /-B needs -q 1 and -c/);
  refused(['-c', '-B', '10'], /-B needs -q 1 and -c/);
  refused(['-K', 'redis'], /-K redis: not a process id/);
});

test.run();
