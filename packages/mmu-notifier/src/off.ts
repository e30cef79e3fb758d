export {
  DESIGN, MMU_NOTIFIER, addNotifierOps, mmuNotifier, mmuNotifierAgePage, mmuNotifierAlloc, mmuNotifierFree, mmuNotifierInstance,
  mmuNotifierMmInit, mmuNotifierPtep, mmuNotifierRegister, mmuNotifierRelease, mmuNotifierUnregister, notifierCounts, notifierServices,
  reserveNotifier, viewNotifier,
} from './mmu-notifier-off.js';
export type { NotifierHost, NotifierMachine, ReservedNotifier } from './mmu-notifier-off.js';
export type { NotifierServices, Wanted } from './surface.js';
