/** What differs from one running kernel to the next, found out at start and given to the model by name. */
import { readFileSync, statfsSync } from 'node:fs';
import { PAGE_SIZE } from '@mmun/include';
import type { KernelSettings } from '@mmun/include';

const CAP_IPC_LOCK = 14;
const TMPFS_MAGIC = 0x01021994;
const EXT4_MAGIC = 0xef53;
/** File systems whose mappings ask for an aligned place: thp_get_unmapped_area. ext4, xfs, btrfs, f2fs */
const THP_ALIGNED_MAGICS: readonly number[] = [EXT4_MAGIC, 0x58465342, 0x9123683e, 0xf2f52010];

/** @param pid the process that asks the kernel */
export function kernelSettings(pid: number): Partial<KernelSettings> {
  const memory = Number(/MemTotal: +(\d+)/.exec(text('/proc/meminfo'))?.[1]) + Number(/SwapTotal: +(\d+)/.exec(text('/proc/meminfo'))?.[1]);
  const thp = /\[(always|madvise|never)\]/.exec(text('/sys/kernel/mm/transparent_hugepage/enabled'))?.[1] ?? 'never';
  const capabilities = BigInt(`0x${/CapEff:\s*([0-9a-f]+)/.exec(text(`/proc/${pid}/status`))?.[1] ?? '0'}`);
  const limits = text(`/proc/${pid}/limits`);
  return {
    overcommitMemory: Number(text('/proc/sys/vm/overcommit_memory')),
    totalRamPages: Math.floor((memory * 1024) / PAGE_SIZE),
    maxMapCount: Number(text('/proc/sys/vm/max_map_count')),
    transparentHugepage: thp as KernelSettings['transparentHugepage'],
    capIpcLock: ((capabilities >> BigInt(CAP_IPC_LOCK)) & 1n) === 1n,
    rlimitStack: limit(limits, 'Max stack size'), rlimitData: limit(limits, 'Max data size'), rlimitAs: limit(limits, 'Max address space'),
    rlimitMemlock: limit(limits, 'Max locked memory'),
  };
}

/** How mm sees files of a folder. */
export function fileSystemOf(folder: string): { readonly isShmem: boolean; readonly thpAligned: boolean; readonly maxFileBytes: number } {
  const magic = Number(statfsSync(folder).type);
  const maxFileBytes = magic === EXT4_MAGIC ? 2 ** 44 - PAGE_SIZE : 2 ** 63;
  return { isShmem: magic === TMPFS_MAGIC, thpAligned: THP_ALIGNED_MAGICS.includes(magic), maxFileBytes };
}

function limit(limits: string, name: string): number {
  const soft = new RegExp(`${name} +(\\S+)`).exec(limits)?.[1];
  return soft === undefined || soft === 'unlimited' ? Infinity : Number(soft);
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
