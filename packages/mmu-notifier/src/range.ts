export {
  DESIGN, MMU_NOTIFIER, mmuNotifierChangePte, mmuNotifierClearFlushYoung, mmuNotifierInvalidatePage, mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart, mmuNotifierInvalidateRangeStartNonblock, mmuNotifierReleaseEarly, rmapLock, rmapUnlock,
} from './mmu-notifier-range.js';
export { mmuNotifierDoBatch, mmuNotifierPending, mmuNotifierRegister, mmuNotifierUnregister, notifierServices } from './mmu-notifier-register.js';
export {
  addNotifierOps, mmuNotifierAlloc, mmuNotifierMmInit, notifierCounts, reserveNotifier, viewNotifier,
} from './notifier-tables.js';
export { mmuNotifierFree, mmuNotifierInstance } from './notifier-rows.js';
export { mmuNotifier, mmuNotifierAgePage, mmuNotifierPtep, mmuNotifierRelease } from './v5-hooks-nop.js';
export type { NotifierHost, NotifierMachine, ReservedNotifier } from './notifier-tables.js';
export type { NotifierConfig, NotifierServices, RegisterHost, Wanted } from './surface.js';
