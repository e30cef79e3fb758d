import * as image from '@mmun/image';
import { CLONE_VM, MAP_ANONYMOUS, MAP_PRIVATE, PAGE_SIZE, PF_USER, PF_WRITE, PROT_READ, PROT_WRITE } from '@mmun/include';
import type { File, Finding, MachineConfig, Mm, SecondaryMmu, TaskStruct, Vaddr } from '@mmun/include';
import { auditSecondary } from '@mmun/plugin-kit';
import { kvm } from '@mmun/plugin-kvm';
import type { KvmDriver } from '@mmun/plugin-kvm';

type Machine = ReturnType<typeof image.boot>;
// the linked image may be one whose design no plugin knows; the refusal is then the test

export const RW: number = PROT_READ | PROT_WRITE;
const SMALL: Partial<MachineConfig> = {
  nrTasks: 16, nrMms: 8, nrVmas: 256, nrAnonVmas: 256, nrAnonVmaChains: 512, nrFrames: 1024, nrTables: 256, nrInodes: 16, nrFiles: 16, nrNotifiers: 4,
};

/** One process with a virtual machine over its memory. */
export interface Vm {
  readonly m: Machine;
  readonly task: TaskStruct;
  readonly mm: Mm;
  readonly driver: KvmDriver;
  readonly instance: number;
  mmap(nrPages: number, prot?: number, flags?: number, file?: File): Vaddr;
  /** The process touches a page. */
  touch(address: Vaddr, isWrite: boolean): void;
  /** The guest touches it: access, on a miss a fault and once more. @returns the frame, or the errno of the fault */
  guest(address: Vaddr, isWrite: boolean): number;
  /** The guest touches it with the entries that it has. */
  hit(address: Vaddr, isWrite: boolean): number;
  /** What the process would reach. */
  primary(address: Vaddr): { readonly pfn: number; readonly isWritable: boolean };
  fork(): TaskStruct;
  exit(task: TaskStruct): void;
  audit(): Finding[];
}

export function attached(overrides: Partial<MachineConfig> = {}, plugin: SecondaryMmu = kvm): { readonly m: Machine; readonly driver: KvmDriver } {
  const m = image.boot({ ...image.defaultConfig, ...SMALL, ...overrides }, [plugin]);
  return { m, driver: image.attachSecondaryMmu(m, plugin as never) as KvmDriver };
}

export function vm(overrides: Partial<MachineConfig> = {}, plugin: SecondaryMmu = kvm): Vm {
  const { m, driver } = attached(overrides, plugin);
  const task = image.newProcess(m);
  image.setCurrent(m, task);
  const mm = image.mmOf(m, task);
  const top = Math.min(0x7f0000000000, image.TASK_SIZE - 0x100000000) as Vaddr;
  image.run(m, image.sysExecve(m, { rows: [], mmapBase: top, startBrk: 0x10000000 as Vaddr, startStack: top, argStart: top } as never));
  const instance = image.run(m, driver.create(image.mmOf(m, task)));
  const hit = (address: Vaddr, isWrite: boolean): number => image.run(m, driver.access(instance, address, isWrite));
  return {
    m, task, mm: image.mmOf(m, task) || mm, driver, instance, hit,
    mmap: (nrPages, prot = RW, flags = MAP_PRIVATE | MAP_ANONYMOUS, file = 0 as File) => image.run(m, image.sysMmap(m, 0 as Vaddr, nrPages * PAGE_SIZE, prot, flags, file, 0)) as Vaddr,
    touch: (address, isWrite) => {
      const fault = image.run(m, image.doPageFault(m, address, PF_USER | (isWrite ? PF_WRITE : 0)));
      if (fault !== 0) throw new Error(`the process cannot touch 0x${address.toString(16)}: ${fault}`);
    },
    guest: (address, isWrite) => {
      const first = hit(address, isWrite);
      if (first !== 0) return first;
      const error = image.run(m, driver.fault(instance, address, isWrite));
      return error === 0 ? hit(address, isWrite) : error;
    },
    primary: (address) => {
      const now = image.primaryTranslation(m, image.mmOf(m, task), address);
      return { pfn: Math.floor(now / 2), isWritable: now % 2 === 1 };
    },
    fork: () => image.run(m, image.sysClone(m, 0)) as TaskStruct,
    exit: (who) => {
      image.setCurrent(m, who);
      image.run(m, image.sysExit(m));
      image.setCurrent(m, task);
    },
    audit: () => auditSecondary(image, m),
  };
}

/** A thread of the same process. */
export function thread({ m }: Vm): TaskStruct {
  return image.run(m, image.sysClone(m, CLONE_VM)) as TaskStruct;
}
