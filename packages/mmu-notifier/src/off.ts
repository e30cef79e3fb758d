export {
  DESIGN, MMU_NOTIFIER, mmuNotifier, mmuNotifierAddOps, mmuNotifierAgePage, mmuNotifierAlloc, mmuNotifierFree, mmuNotifierInstance,
  mmuNotifierMmInit, mmuNotifierPtep, mmuNotifierRegister, mmuNotifierRelease, mmuNotifierUnregister, notifierCounts, reserveNotifier,
  viewNotifier,
} from './mmu-notifier-off.js';
export type { NotifierHost, NotifierMachine, ReservedNotifier } from './mmu-notifier-off.js';
export type { Wanted } from './surface.js';
