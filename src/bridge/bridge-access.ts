/**
 * What a bridge may do at this broker: everything, since whoever writes the configuration decides
 * that; or, with `local_username`, what the access rules say of that user. Its password is checked
 * where one is given.
 */
import type { Access, AuthenticationResult, ClientIdentity } from '../broker/access.js';

export function bridgeAccess(username: string | null, hasPassword: boolean, rules: Access): Access {
  const admit = (client: ClientIdentity): AuthenticationResult => ({
    ok: true,
    username: client.username,
  });
  const isFree = username === null;
  return {
    authenticate: (client, password) =>
      hasPassword ? rules.authenticate(client, password) : admit(client),
    beginExchange: () => null,
    mayStay: (client) => !hasPassword || rules.mayStay(client),
    get restrictsPublish() {
      return !isFree && rules.restrictsPublish;
    },
    mayPublish: (client, topic, qos, retain) => rules.mayPublish(client, topic, qos, retain),
    get restrictsRead() {
      return !isFree && rules.restrictsRead;
    },
    mayRead: (client, topic) => rules.mayRead(client, topic),
    get restrictsSubscribe() {
      return !isFree && rules.restrictsSubscribe;
    },
    maySubscribe: (client, filter, qos) => rules.maySubscribe(client, filter, qos),
    get version() {
      return rules.version;
    },
    get publishAnswersLast() {
      return rules.publishAnswersLast;
    },
  };
}
