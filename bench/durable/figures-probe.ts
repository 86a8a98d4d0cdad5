/**
 * Loaded into the broker before it starts (`node --import`): answers the question `figures` of the
 * process that started it with the counters of the broker's store. It changes nothing that the
 * broker does between questions, so what is measured is the executable as it is.
 */
import { distFolder } from '../paths.js';

type Disk = typeof import('../../src/store/disk/disk-store.js');
type Redis = typeof import('../../src/store/redis/redis-store.js');
type Store = InstanceType<Disk['DiskStore']> | InstanceType<Redis['RedisStore']>;

let opened: Store | null = null;

const { DiskStore } = (await import(`${distFolder}store/disk/disk-store.js`)) as Disk;
const { RedisStore } = (await import(`${distFolder}store/redis/redis-store.js`)) as Redis;
for (const { prototype } of [DiskStore, RedisStore]) {
  const open = prototype.open as (...args: unknown[]) => Promise<void>;
  prototype.open = function (this: Store, ...args: unknown[]) {
    opened = this;
    return open.apply(this, args);
  };
}

process.on('message', (question) => {
  if (question === 'figures') process.send?.(opened?.figures() ?? {});
});
// The broker ends when it wants to.
process.channel?.unref();
