/**
 * Hooks: the program knows its devices. Each logs in with its own token, and may publish and
 * subscribe below `devices/ITS-ID/` only. Passwords are looked up asynchronously, as from a
 * database.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type AccessHooks, type ClientIdentity, createBroker } from 'tidewire';

/** Device → SHA-256 of its token. In a real program: a database. */
const devices = new Map([
  ['pump-1', sha256('token of pump 1')],
  ['pump-2', sha256('token of pump 2')],
]);

const hooks: AccessHooks = {
  async authenticate({ username, clientId }, password) {
    const expected = await findDevice(username);
    if (expected === null || password === null || username !== clientId) return false;
    return timingSafeEqual(sha256(password), expected);
  },
  authorizePublish: (client, topic) => isOwn(client, topic),
  authorizeSubscribe: (client, filter) => isOwn(client, filter),
};

function isOwn({ username }: ClientIdentity, topic: string): boolean {
  return topic.startsWith(`devices/${username}/`);
}

async function findDevice(name: string | null): Promise<Buffer | null> {
  return devices.get(name ?? '') ?? null;
}

function sha256(text: string | Buffer): Buffer {
  return createHash('sha256').update(text).digest();
}

const broker = createBroker({ hooks, limits: { subscriptionsPerClientMax: 10 } });
broker.on('clientConnected', ({ clientId }) => console.log(`${clientId} is here`));
broker.on('clientDisconnected', ({ clientId }, _code, detail) => {
  console.log(`${clientId} has left: ${detail}`);
});

const address = await broker.listen({ port: Number(process.argv[2] ?? 1883) });
console.log(`listening on port ${typeof address === 'string' ? address : address.port}`);

process.once('SIGTERM', () => void broker.close());
process.once('SIGINT', () => void broker.close());
