// No kernel file: Linux proves nothing of the kind, and its off half drifted for years.
/**
 * The surface that every design has, and the proof that each has exactly that. A
 * function that is missing, or one whose parameters differ in one design, does not
 * compile here.
 */
import type { Design, KernelServices, MachineConfig, MaySleep, Mm, MmuNotifier, MmuNotifierOps, NotifierCounts, Step, Task, Vaddr } from '@mmun/include';
import type { Layout } from '@mmun/lib';
import type * as v5 from './index.js';
import type * as off from './off.js';

/**
 * The type of a parameter that must be a `Type`: of anything else the compiler says in one line that `Message` was
 * wanted, instead of taking the brands apart in four.
 */
export type Wanted<Type, Given, Message extends string> = Given extends Type ? Given : Message;

/** What a plugin is handed of this package. */
export type NotifierServices = Pick<KernelServices, 'mmuNotifierAlloc' | 'mmuNotifierFree' | 'notifierInstance' | 'mmuNotifierRegister' | 'mmuNotifierUnregister'>;

interface Dispatch<Host> {
  <M extends number, A extends number>(
    m: Host, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePage', address: Wanted<Vaddr, A, 'a Vaddr'>): Task<Step>;
  <M extends number, A extends number, B extends number>(
    m: Host, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePages', start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<Step>;
}

interface NotifierSurface<Host, Machine, Reserved> {
  reserveNotifier: (layout: Layout, config: Pick<MachineConfig, 'nrMms' | 'nrNotifiers'>) => Reserved;
  viewNotifier: (buffer: ArrayBuffer, reserved: Reserved) => Machine;
  mmuNotifierRegister: (m: Host, mn: MmuNotifier, mm: Mm) => Task<Step>;
  mmuNotifierUnregister: (m: Host, mn: MmuNotifier, mm: Mm) => Task<Step>;
  mmuNotifier: Dispatch<Host>;
  mmuNotifierPtep: <M extends number, A extends number>(
    m: Host, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePage', address: Wanted<Vaddr, A, 'a Vaddr'>) => Task<Step>;
  mmuNotifierAgePage: (m: Host, mm: Mm, address: Vaddr) => Task<Step, number>;
  mmuNotifierRelease: (m: Host, mm: Mm) => Task<MaySleep>;
  mmuNotifierMmInit: (m: Host, mm: Mm) => void;
  addNotifierOps: (m: Host, ops: MmuNotifierOps) => number;
  notifierServices: (m: Host, ops: () => number) => NotifierServices;
  mmuNotifierAlloc: (m: Host, ops: number, instance: number) => MmuNotifier;
  mmuNotifierFree: (m: Host, mn: MmuNotifier) => void;
  mmuNotifierInstance: (m: Host, mn: MmuNotifier) => number;
  notifierCounts: (m: Host) => NotifierCounts | null;
}

interface Constants<D extends Design, On extends boolean> { readonly DESIGN: D; readonly MMU_NOTIFIER: On }

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
/** The names whose types differ; `never` where the module is the surface. */
type Differing<Module, Surface> = Exclude<keyof Module, keyof Surface> | {
  [K in keyof Surface]: K extends keyof Module ? (Equal<Module[K], Surface[K]> extends true ? never : K) : K;
}[keyof Surface];
type None<Names extends never> = Names;

type SurfaceV5 = NotifierSurface<v5.NotifierHost, v5.NotifierMachine, v5.ReservedNotifier> & Constants<'v5', true>;
type SurfaceOff = NotifierSurface<off.NotifierHost, off.NotifierMachine, off.ReservedNotifier> & Constants<'off', false>;

export type V5IsTheSurface = None<Differing<typeof import('./index.js'), SurfaceV5>>;
export type OffIsTheSurface = None<Differing<typeof import('./off.js'), SurfaceOff>>;
