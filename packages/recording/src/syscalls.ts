import { NUMBERED_SYSCALLS, OTHER_SYSCALLS } from './other-syscalls.js';

/**
 * When a call takes effect:
 * - `lock`: when its thread takes the mmap lock for writing, at its entry where it never does;
 * - `entry`: at its entry, once its result is known (it takes the mmap lock for reading, or none);
 * - `return`: when its result is printed (it concerns files or limits, not the address space);
 * - `now`: at its entry, its result is not waited for (it may not return, or a FORK or COMM event says what it did).
 */
export type EffectPoint = 'lock' | 'entry' | 'return' | 'now';

/** A call that a recording may hold and that the order and the replay look at. */
export type SyscallName =
  | 'mmap' | 'munmap' | 'mprotect' | 'pkey_mprotect' | 'mremap' | 'brk' | 'madvise' | 'process_madvise' | 'mlock' | 'mlock2'
  | 'munlock' | 'mlockall' | 'munlockall' | 'remap_file_pages' | 'shmat' | 'shmdt' | 'mseal' | 'mbind' | 'map_shadow_stack'
  | 'io_setup' | 'msync' | 'mincore' | 'open' | 'openat' | 'openat2' | 'creat' | 'memfd_create' | 'truncate' | 'ftruncate'
  | 'fallocate' | 'personality' | 'prctl' | 'arch_prctl' | 'prlimit64' | 'setrlimit' | 'userfaultfd' | 'pkey_alloc'
  | 'pkey_free' | 'fcntl' | 'execve' | 'execveat' | 'clone' | 'clone3' | 'vfork' | 'fork' | 'exit' | 'exit_group';

const POINTS: Readonly<Record<SyscallName, EffectPoint>> = {
  mmap: 'lock', munmap: 'lock', mprotect: 'lock', pkey_mprotect: 'lock', mremap: 'lock', brk: 'lock',
  madvise: 'lock', process_madvise: 'lock', mlock: 'lock', mlock2: 'lock', munlock: 'lock', mlockall: 'lock',
  munlockall: 'lock', remap_file_pages: 'lock', shmat: 'lock', shmdt: 'lock', mseal: 'lock', mbind: 'lock',
  map_shadow_stack: 'lock', io_setup: 'lock', msync: 'entry', mincore: 'entry',
  open: 'return', openat: 'return', openat2: 'return', creat: 'return', memfd_create: 'return',
  truncate: 'return', ftruncate: 'return', fallocate: 'return',
  personality: 'return', prctl: 'return', arch_prctl: 'return', prlimit64: 'return', setrlimit: 'return',
  fcntl: 'return', userfaultfd: 'return', pkey_alloc: 'return', pkey_free: 'return',
  execve: 'now', execveat: 'now', clone: 'now', clone3: 'now', vfork: 'now', fork: 'now', exit: 'now', exit_group: 'now',
};

/** One entry of the table: found by the bytes of the name. */
export interface Syscall {
  /** The name, or null for a call that leaves the address space alone. */
  readonly name: SyscallName | null;
  readonly point: EffectPoint;
  readonly bytes: Uint8Array;
}

/** Hash of a call's name; computed byte by byte while the name is read. */
export const NAME_HASH_SEED = 7;
export function nameHash(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

const BY_HASH: ReadonlyMap<number, readonly Syscall[]> = buildTable();

/** The call whose name is `buf[start, end)` and hashes to `hash`; undefined where no such call exists. */
export function findSyscall(hash: number, buf: Uint8Array, start: number, end: number): Syscall | undefined {
  const candidates = BY_HASH.get(hash);
  if (candidates === undefined) return undefined;
  for (const candidate of candidates) {
    if (isSame(candidate.bytes, buf, start, end)) return candidate;
  }
  return undefined;
}

function isSame(name: Uint8Array, buf: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) {
    if (name[i] !== buf[start + i]) return false;
  }
  return true;
}

function isSyscallName(name: string): name is SyscallName {
  return name in POINTS;
}

function buildTable(): Map<number, Syscall[]> {
  const table = new Map<number, Syscall[]>();
  const add = (text: string, name: SyscallName | null, point: EffectPoint): void => {
    const bytes = Buffer.from(text, 'latin1');
    let hash = NAME_HASH_SEED;
    for (const byte of bytes) hash = nameHash(hash, byte);
    const bucket = table.get(hash) ?? [];
    bucket.push({ name, point, bytes });
    table.set(hash, bucket);
  };
  for (const [name, point] of Object.entries(POINTS)) add(name, name as SyscallName, point);
  for (const name of OTHER_SYSCALLS) add(name, null, 'now');
  for (const [text, name] of NUMBERED_SYSCALLS) {
    if (isSyscallName(name)) add(text, name, POINTS[name]);
    else add(text, null, 'now');
  }
  return table;
}
