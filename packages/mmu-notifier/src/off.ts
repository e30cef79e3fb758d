export {
  DESIGN, MMU_NOTIFIER, addNotifierOps, mmuNotifierAlloc, mmuNotifierFree, mmuNotifierInstance, mmuNotifierMmInit, mmuNotifierRegister, mmuNotifierUnregister, notifierCounts, notifierServices,
  reserveNotifier, viewNotifier,
} from './mmu-notifier-off.js';
export {
  mmuNotifierChangePte, mmuNotifierClearFlushYoung, mmuNotifierDoBatch, mmuNotifierInvalidatePage, mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart,
  mmuNotifierInvalidateRangeStartNonblock, mmuNotifierPending, mmuNotifierReleaseEarly, rmapLock, rmapUnlock,
} from './range-hooks-nop.js';
export { mmuNotifier, mmuNotifierAgePage, mmuNotifierPtep, mmuNotifierRelease } from './v5-hooks-nop.js';
export type { NotifierHost, NotifierMachine, ReservedNotifier } from './mmu-notifier-off.js';
export type { NotifierConfig, NotifierServices, RegisterHost, Wanted } from './surface.js';
