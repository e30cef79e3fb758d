export {
  DESIGN, MMU_NOTIFIER, addNotifierOps, mmuNotifier, mmuNotifierAgePage, mmuNotifierMmInit, mmuNotifierPtep, mmuNotifierRegister, mmuNotifierRelease, mmuNotifierUnregister, notifierCounts, notifierServices,
  reserveNotifier, viewNotifier,
} from './mmu-notifier.js';
export { mmuNotifierAlloc, mmuNotifierFree, mmuNotifierInstance } from './notifier-rows.js';
export {
  mmuNotifierChangePte, mmuNotifierClearFlushYoung, mmuNotifierDoBatch, mmuNotifierInvalidatePage, mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart,
  mmuNotifierInvalidateRangeStartNonblock, mmuNotifierPending, mmuNotifierReleaseEarly, rmapLock, rmapUnlock,
} from './range-hooks-nop.js';
export type { NotifierHost, NotifierMachine, ReservedNotifier } from './mmu-notifier.js';
export type { NotifierConfig, NotifierServices, RegisterHost, Wanted } from './surface.js';
