export {
  DESIGN, MMU_NOTIFIER, addNotifierOps, mmuNotifier, mmuNotifierAgePage, mmuNotifierAlloc, mmuNotifierChangePte, mmuNotifierClearFlushYoung, mmuNotifierDoBatch,
  mmuNotifierFree, mmuNotifierInstance, mmuNotifierInvalidatePage, mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, mmuNotifierInvalidateRangeStartNonblock, mmuNotifierMmInit,
  mmuNotifierPending, mmuNotifierPtep, mmuNotifierRegister, mmuNotifierRelease, mmuNotifierReleaseEarly, mmuNotifierUnregister, notifierCounts, notifierServices,
  reserveNotifier, rmapLock, rmapUnlock, viewNotifier,
} from './mmu-notifier-off.js';
export type { NotifierHost, NotifierMachine, ReservedNotifier } from './mmu-notifier-off.js';
export type { NotifierConfig, NotifierServices, RegisterHost, Wanted } from './surface.js';
