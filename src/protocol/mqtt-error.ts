/**
 * The peer's fault. The connection turns it into CONNACK, SUBACK, PUBACK or DISCONNECT in one
 * place; `message` becomes the Reason String, so it never holds secrets.
 */
export class MqttError extends Error {
  override readonly name = 'MqttError';
  readonly reasonCode: number;

  constructor(reasonCode: number, detail: string) {
    super(detail);
    this.reasonCode = reasonCode;
  }
}
