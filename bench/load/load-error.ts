/** What ends a load run early: a bad option, or a broker that refuses or goes away. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
  /** True: the options are at fault, so the usage line helps. */
  readonly isUsage: boolean;

  constructor(message: string, isUsage = false) {
    super(message);
    this.isUsage = isUsage;
  }
}
