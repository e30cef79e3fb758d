// No kernel file: in C a driver calls these functions by name; here it is handed them, and imports nothing.
/** KernelServices for a machine, and what becomes of a plugin that is attached to it. */
import type {
  AttachedSecondary, KernelServices, MachineConfig, MappedArea, MaySleep, Mm, OpName, Pfn, SecondaryDriver,
  SecondaryMachine, SecondaryMmu, SecondaryMmuFor, Table, TableSpec, Task, Vaddr,
} from '@mmun/include';
import { KernelBug, poolIsLive, reserve, viewTable } from '@mmun/lib';
import type { Layout, Reserved } from '@mmun/lib';
import { downWrite, upWrite } from '@mmun/locking';
import { DESIGN, MMU_NOTIFIER, addNotifierOps, notifierServices } from '#mmu-notifier';
import type { RegisterHost } from '#mmu-notifier';
import { mmdrop, mmgrab } from './fork.js';
import { translationAt } from './hugetlb-gup.js';
import { compoundHead } from './hugetlb-pool.js';
import { mmDropAllLocks, mmTakeAllLocks } from './mm-all-locks.js';
import { mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { areaServices } from './services-area.js';
import { lockingServices } from './services-locking.js';
import { deviceServices, mmServices } from './services-mm.js';
import { findVma } from './vma-tree.js';

export type ReservedSecondary = readonly Reserved<TableSpec>[];

export function reserveSecondary(layout: Layout, config: MachineConfig, plugins: readonly SecondaryMmu[]): ReservedSecondary {
  return plugins.flatMap((plugin) => Object.entries(plugin.tables(config)).map(([name, { rows, spec }]) => reserve(layout, `${plugin.name}.${name}`, rows, spec)));
}

export function viewSecondary(buffer: ArrayBuffer, reserved: ReservedSecondary): SecondaryMachine {
  return { secondaryTables: Object.fromEntries(reserved.map((table) => [table.name, viewTable(buffer, table)])), secondaries: [] };
}

/** Why this image does not take the plugin, in one line; empty where it does. */
export function secondaryMmuRefusal({ name, designs, whyNot }: SecondaryMmu): string {
  const known = Object.keys(designs);
  if (known.includes(DESIGN)) return '';
  const reason = whyNot?.[DESIGN];
  return `plugin \`${name}\` does not know notifier design \`${DESIGN}\`: it has ops for ${known.length === 0 ? 'no design' : known.join(', ')}${reason === undefined ? '' : `; ${reason}`}`;
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
  return translationAt(m, mm, address);
}

export function isFrameLive(m: Machine, pfn: Pfn): boolean {
  return pfn > 0 && pfn <= m.bootConfig.nrFrames && poolIsLive(m.framePool, pfn) && m.page.refcount[compoundHead(m, pfn)] > 0;
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
    ...areaServices(m),
    ...deviceServices(m),
    ...lockingServices(m),
  };
}

function registerHost(m: Machine): RegisterHost {
  return {
    mmapWriteLock: (mm): Task<MaySleep> => downWrite(m, mmapSemOf(m, mm)),
    mmapWriteUnlock: (mm) => upWrite(m, mmapSemOf(m, mm)),
    mmTakeAllLocks: (mm) => mmTakeAllLocks(m, mm),
    mmDropAllLocks: (mm) => mmDropAllLocks(m, mm),
    mmgrab: (mm) => mmgrab(m, mm),
    mmdrop: (mm) => mmdrop(m, mm),
  };
}

function tableOf<S extends TableSpec>(m: Machine, name: string, spec: S): Table<S> {
  const table = m.secondaryTables[name];
  if (table === undefined) throw new KernelBug('secondary-mmu-not-booted', `no table \`${name}\`: hand the plugin to boot first`);
  const wrong = Object.keys(spec).find((field) => table[field] === undefined);
  if (wrong !== undefined) throw new KernelBug('secondary-mmu-other-spec', `table \`${name}\` has no column \`${wrong}\``);
  return table as Table<S>;
}
