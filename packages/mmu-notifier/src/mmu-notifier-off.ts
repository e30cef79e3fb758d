// Models the CONFIG_MMU_NOTIFIER=n half of include/linux/mmu_notifier.h of "[PATCH] mmu notifiers #v5".
/**
 * No notifiers: no state and no code; the hooks are those that another design leaves empty. Every call is still checked as in v5,
 * down to the name of the op. The patch itself checked the dispatch but not register,
 * unregister and release, which were macros that ignored their arguments; Lameter
 * asked for functions, and here all are.
 */
import type { MaySleep, Mm, MmuNotifier, NotifierCounts, NotifierOps, Step, Task } from '@mmun/include';
import type { Layout } from '@mmun/lib';
import type { LockingMachine } from '@mmun/locking';
import type { NotifierConfig, NotifierServices, RegisterHost } from './surface.js';

/** Nothing. */
export type NotifierMachine = Readonly<Record<never, never>>;
export type ReservedNotifier = Readonly<Record<never, never>>;
export type NotifierHost = LockingMachine & NotifierMachine;

export const DESIGN = 'off' as const;
export const MMU_NOTIFIER = false as const;

export function reserveNotifier(_layout: Layout, _config: NotifierConfig): ReservedNotifier {
  return {};
}

export function viewNotifier(_buffer: ArrayBuffer, _reserved: ReservedNotifier): NotifierMachine {
  return {};
}

export function* mmuNotifierRegister(_m: NotifierHost, _mn: MmuNotifier, _mm: Mm): Task<Step> {
  // nop
}

export function* mmuNotifierUnregister(_m: NotifierHost, _mn: MmuNotifier, _mm: Mm): Task<MaySleep> {
  // nop
}

export function mmuNotifierMmInit(_m: NotifierHost, _mm: Mm): void {
  // nop
}

export function addNotifierOps(_m: NotifierHost, _ops: NotifierOps): number {
  return 0;
}

/** Nobody can attach, so nobody gets these. */
export function notifierServices(_m: NotifierHost, _ops: () => number, _host: RegisterHost): NotifierServices {
  return {} as NotifierServices;
}

export function mmuNotifierAlloc(_m: NotifierHost, _ops: number, _instance: number): MmuNotifier {
  return 0 as MmuNotifier;
}

export function mmuNotifierFree(_m: NotifierHost, _mn: MmuNotifier): void {
  // nop
}

export function mmuNotifierInstance(_m: NotifierHost, _mn: MmuNotifier): number {
  return 0;
}

export function notifierCounts(_m: NotifierHost): NotifierCounts | null {
  return null;
}
