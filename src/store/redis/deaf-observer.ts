/** Of a store whose broker does not want to know what others do. */
import type { FabricObserver } from '../fabric.js';

export const deafObserver: FabricObserver = {
  onJoined: nothing,
  onLeft: nothing,
  onRemoved: nothing,
  onPublished: nothing,
  onPublishedTo: (_clientId, _record, _mark, done) => done(),
  onLeftBehind: (_record, done) => done(),
  onAppended: nothing,
  onClaimed: nothing,
  onAdopted: nothing,
  onLastWill: (_clientId, _info, _will, done) => done?.(),
  onOwnLastWill: (_clientId, done) => done(),
  onSession: nothing,
  onSubscribed: nothing,
  onUnsubscribed: nothing,
  onOnline: nothing,
  onRoute: nothing,
  onMember: nothing,
  onMemberGone: nothing,
  onRetained: nothing,
};

function nothing(): void {
  // Nobody wants to know.
}
