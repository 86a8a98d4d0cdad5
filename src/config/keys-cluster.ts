/** Keys of brokers that share a Redis and so are one. */
import { globalKey, type Key } from './key.js';
import { integer, text } from './values.js';

export const clusterKeys: readonly Key[] = [
  globalKey('cluster_lease', integer(2, 3_600), ({ store }, seconds) => {
    store.leaseS = seconds;
  }),
  globalKey('drain_rate', integer(0, 1_000_000), (draft, perS) => {
    draft.drainRate = perS;
  }),
  globalKey(
    'server_reference',
    text,
    (draft, reference) => {
      draft.serverReference = reference;
    },
    { again: 'once' },
  ),
];
