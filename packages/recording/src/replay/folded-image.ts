/**
 * A recording of an arch with 47 bits of address, on an image with fewer (s390 with three levels: 42).
 *
 *   recorded                    image
 *   0x7c00'0000'0000 .. 2^47    the upper 1.5 TiB    what mmap and execve place at the top
 *   0x5400'0000'0000 ..         1 TiB up to there    programs and their heaps
 *   0 ..                        below 1 TiB          what asks for low addresses
 *
 * Each address loses its upper bits, which is one to one for what Linux places, and gets them back in every answer. So gaps,
 * order and sizes are those of the recording, and all that is compared can be. The replayer sees recorded addresses only.
 */
import type { BootedMachine, ExecLayout, KernelImage, MapsRow, Task, Vaddr } from '@mmun/include';
import type { ReplayImage } from './machine.js';

const X86_TASK_SIZE = 2 ** 47;
/** Where the three parts begin in 42 bits, and what each is short of. */
const PARTS: readonly (readonly [from: number, short: number])[] = [[0x28000000000, 31 * 2 ** 42], [0x10000000000, 21 * 2 ** 42], [0, 0]];

/** The image as it is where a recorded address fits. */
export function foldedImage<M extends BootedMachine>(image: ReplayImage<M>): ReplayImage<M> {
  return isFolded(image) ? folded(image) : image;
}

/** Recorded addresses do not fit this image. */
export function isFolded(image: Pick<KernelImage, 'TASK_SIZE'>): boolean {
  return image.TASK_SIZE !== undefined && image.TASK_SIZE < X86_TASK_SIZE - 2 ** 32;
}

/** Where a recorded address lies in the image. @param image any */
export function foldAddress(image: Pick<KernelImage, 'TASK_SIZE'>, address: number): number {
  return isFolded(image) ? fold(address) : address;
}

function fold<A extends number>(address: A): A {
  return (address < X86_TASK_SIZE && address >= 0 ? address % 2 ** 42 : address) as A;
}

function unfold(address: number): number {
  for (const [from, short] of PARTS) if (address >= from) return address + short;
  return address;
}

/** Of a task in a checked image, of its result in a fast one. Errnos stay what they are. */
function unfolded<E extends string>(task: Task<E, number>): Task<E, number> {
  if (typeof task === 'number') return unfold(task) as never;
  return (function* (): Generator<E, number, void> {
    return unfold(yield* task);
  })();
}

/** Ends of ranges lie one behind: the end of the address space is not its beginning. */
function foldEnd(end: Vaddr): Vaddr {
  return (end === 0 ? 0 : fold(end - 1) + 1) as Vaddr;
}

function unfoldEnd(end: number): number {
  return unfold(end - 1) + 1;
}

function foldLayout(layout: ExecLayout): ExecLayout {
  return {
    mmapBase: foldEnd(layout.mmapBase), startBrk: fold(layout.startBrk), startStack: fold(layout.startStack), argStart: fold(layout.argStart),
    rows: layout.rows.map((row) => ({
      ...row, start: fold(row.start), end: foldEnd(row.end),
      // the stack's offset is its place, in pages: it was born at the top of the address space
      pgoff: row.kind === 'stack' ? fold(row.pgoff * 4096) / 4096 : row.pgoff,
    })),
  };
}

function folded<M extends BootedMachine>(image: ReplayImage<M>): ReplayImage<M> {
  const { sysMbind, sysMseal, sysRemapFilePages } = image;
  return {
    ...image,
    ...(sysMseal === undefined ? {} : { sysMseal: (m: M, addr: Vaddr, len: number, flags: number) => sysMseal(m, fold(addr), len, flags) }),
    ...(sysMbind === undefined ? {} : { sysMbind: (m: M, addr: Vaddr, len: number, policy: number) => sysMbind(m, fold(addr), len, policy) }),
    ...(sysRemapFilePages === undefined ? {} : {
      sysRemapFilePages: (m: M, addr: Vaddr, len: number, prot: number, pgoff: number, flags: number) =>
        sysRemapFilePages(m, fold(addr), len, prot, pgoff, flags),
    }),
    sysMmap: (m, addr, len, prot, flags, file, offset) => unfolded(image.sysMmap(m, fold(addr), len, prot, flags, file, offset)),
    sysMunmap: (m, addr, len) => image.sysMunmap(m, fold(addr), len),
    sysMprotect: (m, addr, len, prot) => image.sysMprotect(m, fold(addr), len, prot),
    sysMremap: (m, addr, oldLen, newLen, flags, newAddr) => unfolded(image.sysMremap(m, fold(addr), oldLen, newLen, flags, fold(newAddr))),
    sysBrk: (m, brk) => unfolded(image.sysBrk(m, fold(brk))),
    sysMadvise: (m, addr, len, advice) => image.sysMadvise(m, fold(addr), len, advice),
    sysMlock: (m, addr, len) => image.sysMlock(m, fold(addr), len),
    sysMlock2: (m, addr, len, flags) => image.sysMlock2(m, fold(addr), len, flags),
    sysMunlock: (m, addr, len) => image.sysMunlock(m, fold(addr), len),
    sysMsync: (m, addr, len, flags) => image.sysMsync(m, fold(addr), len, flags),
    sysMincore: (m, addr, len, vec) => image.sysMincore(m, fold(addr), len, vec),
    sysExecve: (m, layout) => image.sysExecve(m, foldLayout(layout)),
    doPageFault: (m, address, errorCode) => image.doPageFault(m, fold(address), errorCode),
    procMaps: (m, mm) => image.procMaps(m, mm).map((row): MapsRow => ({ ...row, start: unfold(row.start), end: unfoldEnd(row.end) })),
  };
}
