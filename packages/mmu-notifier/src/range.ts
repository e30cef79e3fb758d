export {
  DESIGN, MMU_NOTIFIER, addNotifierOps, mmuNotifierAlloc, mmuNotifierChangePte, mmuNotifierClearFlushYoung,
  mmuNotifierFree, mmuNotifierInstance, mmuNotifierInvalidatePage, mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, mmuNotifierMmInit,
  mmuNotifierRegister, mmuNotifierReleaseEarly, mmuNotifierUnregister, notifierCounts, notifierServices,
  reserveNotifier, rmapLock, rmapUnlock, viewNotifier,
} from './mmu-notifier-range.js';
export { mmuNotifier, mmuNotifierAgePage, mmuNotifierPtep, mmuNotifierRelease } from './v5-hooks-nop.js';
export type { NotifierHost, NotifierMachine, ReservedNotifier } from './mmu-notifier-range.js';
export type { NotifierConfig, NotifierServices, RegisterHost, Wanted } from './surface.js';
