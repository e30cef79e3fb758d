// No kernel file: Linux proves nothing of the kind, and its off half drifted for years.
/**
 * The surface that every design has, and the proof that each has exactly that. A
 * function that is missing, or one whose parameters differ in one design, does not
 * compile here.
 */
import type { Design, KernelServices, MachineConfig, MaySleep, Mm, MmuNotifier, NotifierCounts, NotifierOps, Pte, Spinlock, Step, Task, Vaddr } from '@mmun/include';
import type { Layout } from '@mmun/lib';
import type { LockingMachine } from '@mmun/locking';
import type * as v5 from './index.js';
import type { NotifierRows } from './notifier-rows.js';
import type * as off from './off.js';
import type * as range from './range.js';

/**
 * The type of a parameter that must be a `Type`: of anything else the compiler says in one line that `Message` was
 * wanted, instead of taking the brands apart in four.
 */
export type Wanted<Type, Given, Message extends string> = Given extends Type ? Given : Message;

/** What a plugin is handed of this package. */
export type NotifierServices = Pick<KernelServices, 'mmuNotifierAlloc' | 'mmuNotifierFree' | 'notifierInstance' | 'mmuNotifierRegister' | 'mmuNotifierUnregister' | 'mmuNotifierGet' | 'mmuNotifierPut' | 'mmuNotifierSynchronize'>;

/** What of mm registering needs, where the design needs it. */
export interface RegisterHost {
  /** mmap_sem, for writing. */
  mmapWriteLock(mm: Mm): Task<MaySleep>;
  mmapWriteUnlock(mm: Mm): Task<Step>;
  /** Nobody of the mm is between a start and its end, nor comes to be until the drop. mm_take_all_locks() @locks mmap_sem W @returns 0 or -EINTR */
  mmTakeAllLocks(mm: Mm): Task<MaySleep, number>;
  mmDropAllLocks(mm: Mm): Task<MaySleep>;
  /** The struct lives on as long as someone is registered. */
  mmgrab(mm: Mm): Task<Step>;
  mmdrop(mm: Mm): Task<Step>;
}

/** What every design is told of the machine's size. */
export type NotifierConfig = Pick<MachineConfig, 'nrMms' | 'nrNotifiers' | 'nrTasks'>;

interface Dispatch<Host> {
  <M extends number, A extends number>(
    m: Host, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePage', address: Wanted<Vaddr, A, 'a Vaddr'>): Task<Step>;
  <M extends number, A extends number, B extends number>(
    m: Host, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePages', start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<Step>;
}

type Bracket<Host> = <M extends number, A extends number, B extends number>(
  m: Host, mm: Wanted<Mm, M, 'an Mm'>, start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>) => Task<MaySleep>;

/** @template V5Host what the hooks of v5 ask of the machine @template RangeHost what those of range and their locks ask: no notifiers, where they are empty */
interface NotifierSurface<Host, Machine, Reserved, V5Host, RangeHost> {
  reserveNotifier: (layout: Layout, config: NotifierConfig) => Reserved;
  viewNotifier: (buffer: ArrayBuffer, reserved: Reserved) => Machine;
  mmuNotifierRegister: (m: Host, mn: MmuNotifier, mm: Mm) => Task<Step>;
  mmuNotifierUnregister: (m: Host, mn: MmuNotifier, mm: Mm) => Task<MaySleep>;
  // the hooks of v5
  mmuNotifier: Dispatch<V5Host>;
  mmuNotifierPtep: <M extends number, A extends number>(
    m: V5Host, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePage', address: Wanted<Vaddr, A, 'a Vaddr'>) => Task<Step>;
  mmuNotifierAgePage: (m: V5Host, mm: Mm, address: Vaddr) => Task<Step, number>;
  mmuNotifierRelease: (m: V5Host, mm: Mm) => Task<MaySleep>;
  // the hooks of range
  mmuNotifierInvalidateRangeStart: Bracket<RangeHost>;
  mmuNotifierInvalidateRangeStartNonblock: <M extends number, A extends number, B extends number>(
    m: RangeHost, mm: Wanted<Mm, M, 'an Mm'>, start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>) => Task<MaySleep, number>;
  mmuNotifierInvalidateRangeEnd: Bracket<RangeHost>;
  mmuNotifierInvalidatePage: <M extends number, A extends number>(m: RangeHost, mm: Wanted<Mm, M, 'an Mm'>, address: Wanted<Vaddr, A, 'a Vaddr'>) => Task<Step>;
  mmuNotifierClearFlushYoung: (m: RangeHost, mm: Mm, start: Vaddr, end: Vaddr) => Task<Step, number>;
  mmuNotifierChangePte: (m: RangeHost, mm: Mm, address: Vaddr, pte: Pte) => Task<Step>;
  mmuNotifierReleaseEarly: (m: RangeHost, mm: Mm) => Task<MaySleep>;
  // the locks that a walker of the rmap holds around a hook: they sleep where the hook may
  rmapLock: (m: RangeHost, lock: Spinlock) => Task<MaySleep>;
  rmapUnlock: (m: RangeHost, lock: Spinlock) => Task<MaySleep>;
  // those who drive
  mmuNotifierDoBatch: (m: RangeHost) => Task<MaySleep>;
  mmuNotifierPending: (m: RangeHost) => boolean;
  mmuNotifierMmInit: (m: Host, mm: Mm) => void;
  addNotifierOps: (m: Host, ops: NotifierOps) => number;
  notifierServices: (m: Host, ops: () => number, host: RegisterHost) => NotifierServices;
  notifierCounts: (m: Host) => NotifierCounts | null;
}

/** What notifier-rows.ts does for a design asks no more of the machine than rows have; a design with more to a row allocates itself. */
interface RowSurface<Allocating, Host> {
  mmuNotifierAlloc: (m: Allocating, ops: number, instance: number) => MmuNotifier;
  mmuNotifierFree: (m: Host, mn: MmuNotifier) => void;
  mmuNotifierInstance: (m: Host, mn: MmuNotifier) => number;
}

interface Constants<D extends Design, On extends boolean> { readonly DESIGN: D; readonly MMU_NOTIFIER: On }

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
/** The names whose types differ; `never` where the module is the surface. */
type Differing<Module, Surface> = Exclude<keyof Module, keyof Surface> | {
  [K in keyof Surface]: K extends keyof Module ? (Equal<Module[K], Surface[K]> extends true ? never : K) : K;
}[keyof Surface];
type None<Names extends never> = Names;

type SurfaceV5 = NotifierSurface<v5.NotifierHost, v5.NotifierMachine, v5.ReservedNotifier, v5.NotifierHost, LockingMachine> & RowSurface<NotifierRows, NotifierRows> & Constants<'v5', true>;
type SurfaceRange = NotifierSurface<range.NotifierHost, range.NotifierMachine, range.ReservedNotifier, LockingMachine, range.NotifierHost> & RowSurface<range.NotifierHost, NotifierRows> & Constants<'range', true>;
type SurfaceOff = NotifierSurface<off.NotifierHost, off.NotifierMachine, off.ReservedNotifier, LockingMachine, LockingMachine> & RowSurface<off.NotifierHost, off.NotifierHost> & Constants<'off', false>;

export type V5IsTheSurface = None<Differing<typeof import('./index.js'), SurfaceV5>>;
export type RangeIsTheSurface = None<Differing<typeof import('./range.js'), SurfaceRange>>;
export type OffIsTheSurface = None<Differing<typeof import('./off.js'), SurfaceOff>>;
