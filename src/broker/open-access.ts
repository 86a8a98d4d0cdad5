/** Everybody may do everything, and nobody is asked. */
import type { Access } from './access.js';

export const openAccess: Access = {
  authenticate: () => ({ ok: true, username: null }),
  beginExchange: () => null,
  mayStay: () => true,
  restrictsPublish: false,
  mayPublish: () => true,
  restrictsRead: false,
  mayRead: () => true,
  restrictsSubscribe: false,
  maySubscribe: () => true,
  version: 0,
  publishAnswersLast: true,
};
