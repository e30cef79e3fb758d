import * as image from '@mmun/image';
import { MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PAGE_SIZE, PF_USER, PF_WRITE, PROT_READ, PROT_WRITE } from '@mmun/include';
import type { Finding, MachineConfig, Mm, SecondaryMmu, TaskStruct, Vaddr } from '@mmun/include';
import { auditSecondary } from '@mmun/plugin-kit';
import { xpmem } from '@mmun/plugin-xpmem';
import type { XpmemDriver } from '@mmun/plugin-xpmem';

type Machine = ReturnType<typeof image.boot>;

export const RW: number = PROT_READ | PROT_WRITE;
const SMALL: Partial<MachineConfig> = {
  nrTasks: 16, nrMms: 8, nrVmas: 256, nrAnonVmas: 256, nrAnonVmaChains: 512, nrFrames: 1024, nrTables: 256, nrInodes: 16, nrFiles: 16, nrNotifiers: 6,
};

/** One process whose memory is exported whole, and others beside it. */
export interface World {
  readonly m: Machine;
  readonly owner: TaskStruct;
  readonly mm: Mm;
  readonly driver: XpmemDriver;
  readonly instance: number;
  mmap(nrPages: number, prot?: number, isShared?: boolean): Vaddr;
  /** The owner touches a page, or whoever is named. @returns 0, or what the signal is about */
  touch(address: Vaddr, isWrite: boolean, who?: TaskStruct): number;
  /** A remote partition touches it: access, on a miss a fault, and once more. @returns the frame, or the errno of the fault */
  remote(address: Vaddr, isWrite: boolean, instance?: number): number;
  /** With the entries that it has. */
  hit(address: Vaddr, isWrite: boolean, instance?: number): number;
  /** What the owner would reach, or whoever is named. */
  primary(address: Vaddr, who?: TaskStruct): { readonly pfn: number; readonly isWritable: boolean };
  /** Another process. */
  process(): TaskStruct;
  fork(): TaskStruct;
  as<R>(who: TaskStruct, run: () => R): R;
  exit(who: TaskStruct): void;
  /** Pins of the page that no mapping explains. */
  pins(pfn: number): number;
  audit(): Finding[];
  /** Everything that is counted is what was found. */
  check(): Finding[];
}

export function world(overrides: Partial<MachineConfig> = {}, plugin: SecondaryMmu = xpmem): World {
  const m = image.boot({ ...image.defaultConfig, ...SMALL, ...overrides }, [plugin]);
  const driver = image.attachSecondaryMmu(m, plugin as never) as XpmemDriver;
  const owner = newProcess(m);
  const mm = image.mmOf(m, owner);
  const instance = image.run(m, driver.create(mm));
  const as = <R>(who: TaskStruct, run: () => R): R => {
    const before = image.getCurrent(m);
    image.setCurrent(m, who);
    const result = run();
    image.setCurrent(m, before);
    return result;
  };
  const hit = (address: Vaddr, isWrite: boolean, by = instance): number => image.run(m, driver.access(by, address, isWrite));
  return {
    m, owner, mm, driver, instance, hit, as,
    mmap: (nrPages, prot = RW, isShared = false) =>
      image.run(m, image.sysMmap(m, 0 as Vaddr, nrPages * PAGE_SIZE, prot, MAP_ANONYMOUS | (isShared ? MAP_SHARED : MAP_PRIVATE), 0 as never, 0)) as Vaddr,
    touch: (address, isWrite, who = owner) => as(who, () => image.run(m, image.doPageFault(m, address, PF_USER | (isWrite ? PF_WRITE : 0)))),
    remote: (address, isWrite, by = instance) => {
      const first = hit(address, isWrite, by);
      if (first !== 0) return first;
      const error = image.run(m, driver.fault(by, address, isWrite));
      return error === 0 ? hit(address, isWrite, by) : error;
    },
    primary: (address, who = owner) => {
      const now = image.primaryTranslation(m, image.mmOf(m, who), address);
      return { pfn: Math.floor(now / 2), isWritable: now % 2 === 1 };
    },
    process: () => as(owner, () => newProcess(m)),
    fork: () => image.run(m, image.sysClone(m, 0)) as TaskStruct,
    exit: (who) => { as(who, () => image.run(m, image.sysExit(m))); },
    pins: (pfn) => m.page.refcount[pfn] - m.page.mapcount[pfn],
    audit: () => auditSecondary(image, m),
    check: () => image.checkMachine(m),
  };
}

function newProcess(m: Machine): TaskStruct {
  const task = image.newProcess(m);
  image.setCurrent(m, task);
  const top = Math.min(0x7f0000000000, image.TASK_SIZE - 0x100000000) as Vaddr;
  image.run(m, image.sysExecve(m, { rows: [], mmapBase: top, startBrk: 0x10000000 as Vaddr, startStack: top, argStart: top } as never));
  return task;
}
