/**
 * Who runs a bridge: in a cluster exactly one of its brokers, and another one when that is gone.
 */

export interface LeaseHolder {
  /** This broker runs the bridge from now on. */
  onGranted(): void;
  /** Another broker may run it from now on: what it still does must end at once. */
  onLost(): void;
}

export interface BridgeLease {
  /**
   * Asks to run the bridge of that name, until the returned function is called. `onGranted` and
   * `onLost` alternate, beginning with `onGranted`, which may come within this call.
   */
  acquire(name: string, holder: LeaseHolder): () => void;
}

/** Of a broker that is not part of a cluster. */
export const alwaysOurs: BridgeLease = {
  acquire: (_name, holder) => {
    holder.onGranted();
    return () => undefined;
  },
};
