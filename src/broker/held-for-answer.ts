/**
 * A client whose packet an authorizer is asked about: it is held, so that nothing it sent overtakes
 * that packet, until the answer is there.
 */
import type { Connection } from './connection.js';

/**
 * @param proceed gets the answer, in a turn of its own; null when the authorizer failed. The
 * connection may be closed by then.
 */
export function holdForAnswer<Answer>(
  connection: Connection,
  answer: Promise<Answer>,
  proceed: (answer: Answer | null) => void,
): void {
  const { core } = connection;
  const settle = (value: Answer | null): void => {
    core.turn.begin();
    core.beginParse();
    proceed(value);
    connection.onAnswer();
  };
  connection.awaitAnswer();
  answer.then(settle, () => settle(null));
}
