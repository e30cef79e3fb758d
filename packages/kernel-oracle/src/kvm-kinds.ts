/** What a host does to the memory of its guest: kinds of operations, each on a random range of the guest's slot. */
import type { Operation } from './operation.js';
import { MEMFD } from './operation.js';
import type { Random } from './random.js';

const PAGE = 4096;
export const KVM_ARENA = 0x5000_0000_0000;
/** Three tables' worth, so that ranges lie in one, cross from one to the next, and hold a whole one. */
export const KVM_PAGES = 1536;
/** Where a range is moved to. */
const ELSEWHERE = 0x5100_0000_0000;

const PROT = { none: 0, read: 1, readWrite: 3 } as const;
const FIXED_ANONYMOUS = 0x32;
const FIXED_SHARED = 0x11;
const MAYMOVE_FIXED = 3;
const ADVICE = {
  random: 1, sequential: 2, willneed: 3, dontneed: 4, free: 8, remove: 9, dontfork: 10, dontdump: 16, wipeonfork: 18, cold: 20, pageout: 21, populateWrite: 23, guardInstall: 102, guardRemove: 103,
} as const;

export type Backing = 'anonymous' | 'memfd';

/** Pages of the slot. */
export interface Range {
  readonly first: number;
  readonly end: number;
}

export interface KvmKind {
  readonly name: string;
  readonly backing: Backing;
  readonly operations: (range: Range, random: Random) => readonly Operation[];
  /** The VMA is cut at both ends of the range, if they lie inside of it, before anything is unmapped. */
  readonly cuts: boolean;
}

const at = (page: number): number => KVM_ARENA + page * PAGE;
const span = ({ first, end }: Range): [number, number] => [at(first), (end - first) * PAGE];
const advise = (advice: number) => (range: Range): readonly Operation[] => [{ name: 'madvise', args: [...span(range), advice] }];
const protect = (prot: number) => (range: Range): readonly Operation[] => [{ name: 'mprotect', args: [...span(range), prot] }];

const FORGET: Operation = { name: 'munmap', args: [ELSEWHERE, KVM_PAGES * PAGE] };
const FRESH: Readonly<Record<Backing, readonly Operation[]>> = {
  anonymous: [FORGET, { name: 'mmap', args: [KVM_ARENA, KVM_PAGES * PAGE, PROT.readWrite, FIXED_ANONYMOUS, 0, 0] }],
  memfd: [
    FORGET, { name: 'ftruncate', args: [MEMFD, 0] }, { name: 'ftruncate', args: [MEMFD, KVM_PAGES * PAGE] },
    { name: 'mmap', args: [KVM_ARENA, KVM_PAGES * PAGE, PROT.readWrite, FIXED_SHARED, MEMFD, 0] },
  ],
};

/** The slot as it is before each trial. */
export function fresh(backing: Backing): readonly Operation[] {
  return FRESH[backing];
}

const OF_BOTH: readonly Omit<KvmKind, 'backing'>[] = [
  { name: 'munmap', cuts: true, operations: (range) => [{ name: 'munmap', args: span(range) }] },
  { name: 'mprotect PROT_READ', cuts: true, operations: protect(PROT.read) },
  { name: 'mprotect PROT_NONE', cuts: true, operations: protect(PROT.none) },
  { name: 'mprotect to what it is', cuts: false, operations: protect(PROT.readWrite) },
  { name: 'MADV_DONTNEED', cuts: false, operations: advise(ADVICE.dontneed) },
  { name: 'MADV_COLD', cuts: false, operations: advise(ADVICE.cold) },
  { name: 'MADV_WILLNEED', cuts: false, operations: advise(ADVICE.willneed) },
  { name: 'MADV_SEQUENTIAL', cuts: true, operations: advise(ADVICE.sequential) },
  { name: 'MADV_RANDOM', cuts: true, operations: advise(ADVICE.random) },
  { name: 'MADV_DONTFORK', cuts: true, operations: advise(ADVICE.dontfork) },
  { name: 'MADV_DONTDUMP', cuts: true, operations: advise(ADVICE.dontdump) },
  { name: 'MADV_POPULATE_WRITE', cuts: false, operations: advise(ADVICE.populateWrite) },
  { name: 'MADV_GUARD_INSTALL', cuts: false, operations: advise(ADVICE.guardInstall) },
  { name: 'MADV_GUARD_REMOVE', cuts: false, operations: advise(ADVICE.guardRemove) },
  { name: 'mmap over it', cuts: true, operations: (range) => [{ name: 'mmap', args: [...span(range), PROT.readWrite, FIXED_ANONYMOUS, 0, 0] }] },
  { name: 'mremap elsewhere', cuts: true, operations: (range) => [{ name: 'mremap', args: [at(range.first), span(range)[1], span(range)[1], MAYMOVE_FIXED, ELSEWHERE] }] },
  { name: 'mlock', cuts: true, operations: (range) => [{ name: 'mlock', args: span(range) }] },
  { name: 'mlock2 MLOCK_ONFAULT', cuts: true, operations: (range) => [{ name: 'mlock2', args: [...span(range), 1] }] },
  { name: 'munlock', cuts: false, operations: (range) => [{ name: 'munlock', args: span(range) }] },
  { name: 'msync', cuts: false, operations: (range) => [{ name: 'msync', args: [...span(range), 4] }] },
  { name: 'fork and exit', cuts: false, operations: () => [{ name: 'fork', args: [] }, { name: 'exit', args: [] }] },
  { name: 'a write by the host', cuts: false, operations: ({ first }) => [{ name: 'write', args: [at(first), 5] }] },
];

export const KVM_KINDS: readonly KvmKind[] = [
  ...OF_BOTH.map((kind): KvmKind => ({ ...kind, backing: 'anonymous' })),
  { name: 'MADV_FREE', backing: 'anonymous', cuts: false, operations: advise(ADVICE.free) },
  { name: 'MADV_WIPEONFORK', backing: 'anonymous', cuts: true, operations: advise(ADVICE.wipeonfork) },
  ...OF_BOTH.map((kind): KvmKind => ({ ...kind, backing: 'memfd' })),
  { name: 'MADV_REMOVE', backing: 'memfd', cuts: false, operations: advise(ADVICE.remove) },
  { name: 'ftruncate', backing: 'memfd', cuts: false, operations: ({ first }) => [{ name: 'ftruncate', args: [MEMFD, first * PAGE] }] },
];

export const NR_KVM_KINDS: number = KVM_KINDS.length;

/** Short ones, long ones, and ones that begin or end where a table does. */
export function drawRange(random: Random): Range {
  const length = random.oneIn(3) ? 1 + random.below(4) : random.oneIn(2) ? 1 + random.below(64) : 1 + random.below(KVM_PAGES);
  let first = random.below(KVM_PAGES - length + 1);
  if (random.oneIn(4)) first -= first % 512;
  const end = random.oneIn(6) ? Math.min(KVM_PAGES, Math.ceil((first + length) / 512) * 512) : first + length;
  return { first, end };
}
