/** What an operator is told when the disk store can go on no longer. */
import { BrokerError, messageOf } from '../../base/errors.js';

/** `ENOSPC`, `EDQUOT` and `EFBIG` as lmdb has them. */
const FULL_NUMBERS: readonly unknown[] = [28, 122, 27];
const FULL_CODES: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EFBIG'];

/** `STORE_FULL` when there is no room, `STORE_FAILED` for everything else. */
export function failureOf(folder: string, error: unknown): BrokerError {
  if (error instanceof BrokerError) return error;
  const code: unknown = error instanceof Error && 'code' in error ? error.code : null;
  const isFull = FULL_CODES.includes(code) || FULL_NUMBERS.includes(code);
  const what = isFull ? 'there is no room for' : 'cannot write';
  const remedy = isFull
    ? 'make room on the disk, or raise the limit, and start the broker again'
    : 'check the disk, its free space and the permissions, and start the broker again';
  const promise = 'what was not safe was not acknowledged';
  const detail = `${what} the store in ${folder} (${messageOf(error)}): ${remedy}; ${promise}`;
  return new BrokerError(isFull ? 'STORE_FULL' : 'STORE_FAILED', detail, { cause: error });
}
