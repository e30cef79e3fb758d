/** What differs from one running kernel to the next, found out at start and given to the model by name. */
import { readFileSync, statfsSync } from 'node:fs';
import { PAGE_SIZE } from '@mmun/include';
import type { KernelSettings } from '@mmun/include';
import type { HardLimits } from './operation.js';

const CAP_IPC_LOCK = 14;
const CAP_SYS_RAWIO = 17;
const TMPFS_MAGIC = 0x01021994;
const EXT4_MAGIC = 0xef53;
/** File systems whose mappings ask for an aligned place: thp_get_unmapped_area. ext4, xfs, btrfs, f2fs */
const THP_ALIGNED_MAGICS: readonly number[] = [EXT4_MAGIC, 0x58465342, 0x9123683e, 0xf2f52010];

/** As /proc/PID/limits spells them, by resource. */
const LIMIT_NAMES = { 2: 'Max data size', 3: 'Max stack size', 8: 'Max locked memory', 9: 'Max address space' } as const;

/** @param pid the process that asks the kernel */
export function kernelSettings(pid: number): Partial<KernelSettings> {
  const memory = Number(/MemTotal: +(\d+)/.exec(text('/proc/meminfo'))?.[1]) + Number(/SwapTotal: +(\d+)/.exec(text('/proc/meminfo'))?.[1]);
  const thp = /\[(always|madvise|never)\]/.exec(text('/sys/kernel/mm/transparent_hugepage/enabled'))?.[1] ?? 'never';
  const capabilities = BigInt(`0x${/CapEff:\s*([0-9a-f]+)/.exec(text(`/proc/${pid}/status`))?.[1] ?? '0'}`);
  const has = (capability: number): boolean => ((capabilities >> BigInt(capability)) & 1n) === 1n;
  const limits = text(`/proc/${pid}/limits`);
  return {
    overcommitMemory: Number(text('/proc/sys/vm/overcommit_memory')),
    totalRamPages: Math.floor((memory * 1024) / PAGE_SIZE),
    maxMapCount: Number(text('/proc/sys/vm/max_map_count')),
    transparentHugepage: thp as KernelSettings['transparentHugepage'],
    capIpcLock: has(CAP_IPC_LOCK), dacMmapMinAddr: has(CAP_SYS_RAWIO) ? 0 : Number(text('/proc/sys/vm/mmap_min_addr')),
    rlimitStack: limit(limits, LIMIT_NAMES[3]), rlimitData: limit(limits, LIMIT_NAMES[2]), rlimitAs: limit(limits, LIMIT_NAMES[9]),
    rlimitMemlock: limit(limits, LIMIT_NAMES[8]),
  };
}

export function hardLimitsOf(pid: number): HardLimits {
  const limits = text(`/proc/${pid}/limits`);
  return Object.fromEntries(Object.entries(LIMIT_NAMES).map(([resource, name]) => [resource, limit(limits, name, true)]));
}

/** end_data - start_data, which /proc/PID/stat has as its fields 45 and 46. */
export function dataBytesOf(pid: number): number {
  const fields = text(`/proc/${pid}/stat`).replace(/^.*\) /, '').split(' ');
  return Number(fields[46 - 3]) - Number(fields[45 - 3]);
}

/** How mm sees files of a folder. */
export function fileSystemOf(folder: string): { readonly isShmem: boolean; readonly thpAligned: boolean; readonly maxFileBytes: number } {
  const magic = Number(statfsSync(folder).type);
  const maxFileBytes = magic === EXT4_MAGIC ? 2 ** 44 - PAGE_SIZE : 2 ** 63;
  return { isShmem: magic === TMPFS_MAGIC, thpAligned: THP_ALIGNED_MAGICS.includes(magic), maxFileBytes };
}

function limit(limits: string, name: string, isHard: boolean = false): number {
  const found = new RegExp(`${name} +(\\S+) +(\\S+)`).exec(limits)?.[isHard ? 2 : 1];
  return found === undefined || found === 'unlimited' ? Infinity : Number(found);
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
