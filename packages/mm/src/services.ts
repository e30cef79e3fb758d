// No kernel file: in C a driver calls these functions by name; here it is handed them, and imports nothing.
/** KernelServices for a machine, and what becomes of a plugin that is attached to it. */
import { PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type {
  AttachedSecondary, KernelServices, MachineConfig, MappedArea, MaySleep, Mm, OpName, Pfn, PointKind, SecondaryDriver,
  SecondaryMachine, SecondaryMmu, SecondaryMmuFor, Step, Table, TableSpec, Task, Vaddr, Where,
} from '@mmun/include';
import { KernelBug, poolIsLive, reserve, viewTable, whereOf } from '@mmun/lib';
import type { Layout, Reserved } from '@mmun/lib';
import {
  callRcu, downRead, downWrite, lockdepAssertHeld, mutexAt, mutexLock, mutexUnlock, point, rcuReadLock, rcuReadUnlock,
  registerRcuCallback, rwsemAt, spinLock, spinUnlock, spinlockAt, synchronizeRcu, touch, upRead, upWrite,
} from '@mmun/locking';
import { hwMarkAccess, ptePfn, ptePresent, pteWrite, ptepGet, walkPte } from '#asm';
import { DESIGN, MMU_NOTIFIER, addNotifierOps, notifierServices } from '#mmu-notifier';
import type { NotifierServices, RegisterHost } from '#mmu-notifier';
import { mmdrop, mmgrab, mmput } from './fork.js';
import { mmDropAllLocks, mmTakeAllLocks } from './mm-all-locks.js';
import type { Machine } from './mm-types.js';
import { PG_DIRTY } from './page-flags.js';
import { followPageOf, getUserPageOf, mmgetNotZero, withPte } from './secondary-gup.js';
import { putPage } from './swap.js';
import { findVma } from './vma-tree.js';

export type ReservedSecondary = readonly Reserved<TableSpec>[];

export function reserveSecondary(layout: Layout, config: MachineConfig, plugins: readonly SecondaryMmu[]): ReservedSecondary {
  return plugins.flatMap((plugin) => Object.entries(plugin.tables(config)).map(([name, { rows, spec }]) => reserve(layout, `${plugin.name}.${name}`, rows, spec)));
}

export function viewSecondary(buffer: ArrayBuffer, reserved: ReservedSecondary): SecondaryMachine {
  return { secondaryTables: Object.fromEntries(reserved.map((table) => [table.name, viewTable(buffer, table)])), secondaries: [] };
}

/** Why this image does not take the plugin, in one line; empty where it does. */
export function secondaryMmuRefusal({ name, designs }: SecondaryMmu): string {
  const known = Object.keys(designs);
  if (known.includes(DESIGN)) return '';
  return `plugin \`${name}\` does not know notifier design \`${DESIGN}\`: it has ops for ${known.length === 0 ? 'no design' : known.join(', ')}`;
}

/** Attaches a plugin that boot was told of. The compiler refuses one that does not know this image's design. */
export function attachSecondaryMmu(m: Machine, plugin: SecondaryMmuFor<typeof DESIGN>): SecondaryDriver {
  const refusal = secondaryMmuRefusal(plugin);
  if (!MMU_NOTIFIER || refusal !== '') throw new KernelBug('secondary-mmu-refused', refusal);
  let ops = 0;
  const driver = plugin.attach(kernelServices(m, plugin.name, () => ops));
  const missing = (plugin.designs as Readonly<Record<string, readonly OpName[]>>)[DESIGN].filter((op) => (driver.ops as Partial<Record<OpName, unknown>>)[op] === undefined);
  if (missing.length > 0) throw new KernelBug('secondary-mmu-op-missing', `plugin \`${plugin.name}\` promises ${missing.join(', ')} under ${DESIGN} and does not bring it`);
  ops = addNotifierOps(m, driver.ops);
  m.secondaries.push({ name: plugin.name, driver });
  return driver;
}

export function attachedSecondaries(m: Machine): readonly AttachedSecondary[] {
  return m.secondaries;
}

/** What the pte says now. @context a machine at rest @returns 2 * pfn, plus 1 where it allows writes; 0 without access */
export function primaryTranslation(m: Machine, mm: Mm, address: Vaddr): number {
  const area = vmaAfter(m, mm, address);
  if (area === null || area.start > address || (area.vmFlags & ACCESSIBLE) === 0) return 0;
  const ptep = walkPte(m, mm, address);
  if (ptep === 0) return 0;
  const pte = ptepGet(m, ptep);
  return ptePresent(pte) ? 2 * ptePfn(pte) + (pteWrite(pte) ? 1 : 0) : 0;
}

export function isFrameLive(m: Machine, pfn: Pfn): boolean {
  return pfn > 0 && pfn <= m.bootConfig.nrFrames && poolIsLive(m.framePool, pfn) && m.page.refcount[pfn] > 0;
}

export function isMmAlive(m: Machine, mm: Mm): boolean {
  return poolIsLive(m.mmPool, mm) && m.mm.mmUsers[mm] > 0;
}

export function vmaAfter(m: Machine, mm: Mm, address: Vaddr): MappedArea | null {
  if (!isMmAlive(m, mm)) return null;
  const vma = findVma(m, mm, address);
  return vma === 0 ? null : { start: m.vma.vmStart[vma] as Vaddr, end: m.vma.vmEnd[vma] as Vaddr, vmFlags: m.vma.vmFlags[vma] };
}

/** VM_READ | VM_WRITE | VM_EXEC */
const ACCESSIBLE = 7;

/** @param ops which ops the plugin's notifiers get; known only once attach has returned */
function kernelServices(m: Machine, plugin: string, ops: () => number): KernelServices {
  return {
    design: DESIGN as KernelServices['design'],
    config: m.bootConfig,
    table: <S extends TableSpec>(name: string, spec: S): Table<S> => tableOf(m, `${plugin}.${name}`, spec),
    ...notifierServices(m, ops, registerHost(m)),
    ...mmServices(m),
    ...deviceServices(m),
    ...lockServices(m),
  };
}

function registerHost(m: Machine): RegisterHost {
  return {
    mmTakeAllLocks: (mm) => mmTakeAllLocks(m, mm),
    mmDropAllLocks: (mm) => mmDropAllLocks(m, mm),
    mmgrab: (mm) => mmgrab(m, mm),
    mmdrop: (mm): Task<MaySleep> => mmdrop(m, mm),
  };
}

type MmServices = Pick<KernelServices, 'mmgrab' | 'mmdrop' | 'mmgetNotZero' | 'mmput' | 'withPte' | 'getUserPages' | 'followPage' | 'putPage' | 'setPageDirty'>;

function mmServices(m: Machine): MmServices {
  return {
    mmgrab: (mm) => mmgrab(m, mm),
    mmdrop: (mm): Task<MaySleep> => mmdrop(m, mm),
    mmgetNotZero: (mm) => mmgetNotZero(m, mm),
    mmput: (mm) => mmput(m, mm),
    withPte: (mm, address, isWrite, install, cookie) => withPte(m, mm, address, isWrite, install, cookie),
    getUserPages: (mm, address, isWrite) => getUserPageOf(m, mm, address, isWrite),
    followPage: (mm, address, isWrite) => followPageOf(m, mm, address, isWrite),
    putPage: (pfn) => putPage(m, pfn),
    setPageDirty: (pfn) => setPageDirtyFlag(m, pfn),
  };
}

type DeviceServices = Pick<KernelServices, 'step' | 'deviceRead' | 'deviceWrite'>;

function deviceServices(m: Machine): DeviceServices {
  const { pageContentWords } = m.bootConfig;
  const contentWhere = (pfn: Pfn, address: Vaddr): Where => whereOf(m.pageContent, pfn * pageContentWords + (((address % PAGE_SIZE) >>> 2) % pageContentWords));
  return {
    * step(kind: PointKind, where: Where): Task<Step> {
      yield* point(m, kind, where);
    },
    deviceRead: (pfn, address) => {
      touch(m, READ, whereOf(m.framePool.rows.gen, pfn));
      touch(m, READ, contentWhere(pfn, address));
      hwMarkAccess(m, pfn, false);
      return m.words[contentWhere(pfn, address)];
    },
    deviceWrite: (pfn, address, value) => {
      touch(m, READ, whereOf(m.framePool.rows.gen, pfn));
      touch(m, WRITE, contentWhere(pfn, address));
      hwMarkAccess(m, pfn, true);
      m.words[contentWhere(pfn, address)] = value;
    },
  };
}

type LockServices = Omit<KernelServices, 'design' | 'config' | 'table' | keyof NotifierServices | keyof MmServices | keyof DeviceServices>;

function lockServices(m: Machine): LockServices {
  return {
    spinlockAt, mutexAt, rwsemAt,
    spinLock: (lock) => spinLock(m, lock),
    spinUnlock: (lock) => spinUnlock(m, lock),
    lockdepAssertHeld: (lock) => { lockdepAssertHeld(m, lock); },
    mutexLock: (lock) => mutexLock(m, lock),
    mutexUnlock: (lock) => mutexUnlock(m, lock),
    downRead: (lock) => downRead(m, lock),
    upRead: (lock) => upRead(m, lock),
    downWrite: (lock) => downWrite(m, lock),
    upWrite: (lock) => upWrite(m, lock),
    rcuReadLock: () => rcuReadLock(m),
    rcuReadUnlock: () => rcuReadUnlock(m),
    synchronizeRcu: () => synchronizeRcu(m),
    rcuCallback: (callback) => registerRcuCallback(m.rcu, (_m: never, arg: number): Task<Step> => callback(arg)),
    callRcu: (callback, arg) => callRcu(m, callback, arg),
  };
}

/** Only the flag: no tree lock and no private lock, so it may be called below the PT lock. SetPageDirty() */
function* setPageDirtyFlag(m: Machine, pfn: Pfn): Task<Step> {
  yield* point(m, WRITE, whereOf(m.page.flags, pfn));
  m.page.flags[pfn] = m.page.flags[pfn] | PG_DIRTY;
}

function tableOf<S extends TableSpec>(m: Machine, name: string, spec: S): Table<S> {
  const table = m.secondaryTables[name];
  if (table === undefined) throw new KernelBug('secondary-mmu-not-booted', `no table \`${name}\`: hand the plugin to boot first`);
  const wrong = Object.keys(spec).find((field) => table[field] === undefined);
  if (wrong !== undefined) throw new KernelBug('secondary-mmu-other-spec', `table \`${name}\` has no column \`${wrong}\``);
  return table as Table<S>;
}
