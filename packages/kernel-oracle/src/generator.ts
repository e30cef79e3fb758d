/**
 * Operations drawn to collide: neighbours, overlaps, boundaries, and now and then an absurd value. They depend on the seed and on
 * the zones only, never on an answer, so a seed means the same operations on every machine that has huge pages, and on every one that has none.
 */
import { MADV_FREE, MADV_PAGEOUT, MAP_ANONYMOUS, MAP_DROPPABLE, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_HUGETLB, MAP_LOCKED, MAP_NONBLOCK, MAP_NORESERVE, MAP_POPULATE, MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_STACK, PAGE_SIZE } from '@mmun/include';
import { FILE_PAGES, FILE_RO, FILE_RW, MEMFD } from './operation.js';
import type { Operation, OperationName } from './operation.js';
import { Random } from './random.js';
import { isHarmful } from './harm.js';
import { ARENA, HEAP, HUGE, HUGE_PAGE, SEAM, TASK_END, zoneEnd } from './zones.js';
import type { Zone } from './zones.js';

const MAX_DEPTH = 5;
const ABSURD_ADDRESSES = [0, PAGE_SIZE, 0xfff, TASK_END, TASK_END + PAGE_SIZE, 2 ** 47, 2 ** 63, 2 ** 64 - PAGE_SIZE, 2 ** 64 - 2048, 2 ** 63 - 1024];
const ABSURD_LENGTHS = [0, 2 ** 47, 2 ** 47 - PAGE_SIZE, 2 ** 63, 2 ** 64 - PAGE_SIZE, 2 ** 64 - 2048, 2 ** 63 - 1024];
/** Where the kernel chooses the place: around what a huge page takes, and now and then far more than there is memory. */
const LARGE_LENGTHS = [HUGE_PAGE, HUGE_PAGE, HUGE_PAGE, 2 * HUGE_PAGE, HUGE_PAGE + PAGE_SIZE, HUGE_PAGE - PAGE_SIZE];
const VAST_LENGTHS = [2 ** 30, 2 ** 39, 2 ** 42 + PAGE_SIZE];
/** RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK, RLIMIT_AS: what is left to map should be little, of an address space that has some 300 pages from the start. */
const LIMITS: readonly (readonly [resource: number, pages: number])[] = [[2, 48], [3, 40], [8, 40], [9, 420]];
/** Bits above those of an int, of which the kernel sees some and others not. */
const BEYOND_INT = [2 ** 31, 2 ** 32, 2 ** 40];
const PROTS = [3, 3, 3, 3, 1, 1, 0, 5, 7, 2, 4, 8 | 3];
const ADVICE = [4, 4, 4, 4, 8, 8, 0, 1, 2, 3, 9, 10, 11, 14, 15, 16, 17, 18, 18, 19, 20, 21, 22, 23, 23, 24, 102, 102, 103];
/** Not the whole truth of madvise: those that poison pages, and the newest, are left alone. */
const ODD_ADVICE = [25, 5, 6, 7, 12, 13, 26, 99, 2 ** 31, 2 ** 32 + 4];

/** Denywrite, executable, 32 bit, above 4G, nonblock, sync, uninitialized, and one that means nothing. */
const RARE_FLAGS: readonly (readonly [flag: number, oneIn: number])[] = [0x800, 0x1000, 0x40, 0x80, 0x10000, 0x80000, 0x4000000, 0x8000000].map((flag) => [flag, 90]);

/** How often which is drawn; what is missing from a list is a read or a write. */
const WEIGHTS: readonly (readonly [OperationName, number])[] = [
  ['mmap', 20], ['munmap', 8], ['mprotect', 13], ['mremap', 11], ['madvise', 14], ['mlock', 1], ['mlock2', 2], ['munlock', 2], ['mlockall', 0.3],
  ['munlockall', 0.3], ['msync', 1], ['brk', 2], ['mincore', 1], ['ftruncate', 0.8], ['setrlimit', 0.7], ['mseal', 0.4], ['remap_file_pages', 0.7], ['read', 9], ['write', 14], ['fork', 0.8], ['exit', 0.6],
];
const FORKS = 1.4;
const TOTAL = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);

export class Generator {
  readonly #random: Random;
  readonly #zones: readonly Zone[];
  readonly #top: Zone;
  readonly #hasHugePages: boolean;
  #depth = 0;
  #value = 1;
  #advice: readonly number[] = [];
  /** Where a segment happens that stays in one place; null: anywhere. */
  #focus: Zone | null = null;
  #isSealing = false;
  /** MAP_DROPPABLE, or in its place MAP_PRIVATE. */
  #droppable: number = MAP_PRIVATE;
  /** Forks and exits are drawn that often more than else. */
  #forks = 1;

  constructor(seed: number, top: Zone, hasHugePages = false) {
    this.#random = new Random(seed);
    this.#zones = [ARENA, ARENA, ARENA, ARENA, ARENA, ARENA, ARENA, top, HEAP, SEAM, ...(hasHugePages ? [HUGE, HUGE] : [])];
    this.#hasHugePages = hasHugePages;
    this.#top = top;
  }

  /** Operations that begin in a process without mappings in the zones. */
  segment(length: number): Operation[] {
    this.#depth = 0;
    this.#value = 1;
    this.#focus = this.#random.oneIn(4) ? this.#piece() : null;
    this.#isSealing = this.#random.oneIn(5);
    this.#forks = this.#random.oneIn(5) ? 6 : 1;
    // A page that was given up, or may be dropped, can go at any time, and reclaim takes it: never both, or what it holds cannot be known.
    const without = this.#random.pick([MADV_FREE, MADV_PAGEOUT]);
    this.#droppable = without === MADV_PAGEOUT ? MAP_DROPPABLE : MAP_PRIVATE;
    this.#advice = ADVICE.filter((advice) => advice !== without);
    const operations: Operation[] = [];
    while (operations.length < length) {
      const operation = this.#next();
      if (operation === null || isHarmful(operation, this.#top)) continue;
      if (operation.name === 'fork') this.#depth++;
      if (operation.name === 'exit') this.#depth--;
      operations.push(operation);
    }
    return operations;
  }

  #next(): Operation | null {
    const name = this.#name();
    switch (name) {
      case 'mmap': return { name, args: this.#mmap() };
      case 'munmap': case 'mlock': case 'munlock': case 'mincore': return { name, args: this.#range() };
      case 'mprotect': return { name, args: [...this.#range(), this.#random.oneIn(40) ? this.#random.pick([0x1000003, 0x2000003, 0x3000000, 0x10, 0x1000000, ...BEYOND_INT.map((bit) => bit + 3)]) : this.#random.pick(PROTS)] };
      case 'mremap': return { name, args: this.#mremap() };
      case 'madvise': return { name, args: [...this.#range(), this.#random.pick(this.#random.oneIn(12) ? ODD_ADVICE : this.#advice)] };
      case 'mlock2': return { name, args: [...this.#range(), this.#random.pick([0, 1, 1, 1, this.#random.oneIn(10) ? 2 : 1])] };
      case 'mlockall': return { name, args: [this.#random.pick([1, 2, 3, 5, 6, 7, 0, 4, 8])] };
      case 'msync': return { name, args: [...this.#range(), this.#random.pick([1, 4, 2, 5, 0, 3, 6])] };
      case 'brk': return { name, args: [this.#random.oneIn(20) ? this.#random.pick(ABSURD_ADDRESSES) : HEAP.start + this.#random.below(HEAP.nrPages * PAGE_SIZE * 1.1) - (this.#random.oneIn(5) ? PAGE_SIZE : 0)] };
      case 'ftruncate': return { name, args: [this.#random.pick([FILE_RW, MEMFD]), this.#random.below(FILE_PAGES + 4) * PAGE_SIZE + this.#random.pick([0, 0, 0, 4, 2048])] };
      // What is sealed stays: most segments have none of it.
      case 'mseal': return this.#isSealing ? { name, args: [...this.#range(), this.#random.oneIn(12) ? this.#random.pick([1, 2 ** 32]) : 0] } : null;
      case 'remap_file_pages': return { name, args: [...this.#range(), this.#random.oneIn(12) ? 1 : 0, this.#random.oneIn(12) ? this.#random.pick([2 ** 52, 2 ** 63]) : this.#random.below(FILE_PAGES + 2), this.#random.oneIn(4) ? MAP_NONBLOCK : 0] };
      case 'setrlimit': return { name, args: this.#rlimit() };
      case 'read': return { name, args: [this.#address(40)] };
      case 'write': return { name, args: [this.#writeAddress(), this.#value++] };
      case 'fork': return this.#depth >= MAX_DEPTH ? null : { name, args: [] };
      case 'exit': return this.#depth === 0 ? null : { name, args: [] };
      case 'munlockall': return { name, args: [] };
    }
  }

  #name(): OperationName {
    const forks = this.#forks;
    let draw = (this.#random.below(1 << 20) / (1 << 20)) * (TOTAL + (forks - 1) * FORKS);
    for (const [name, weight] of WEIGHTS) {
      const share = name === 'fork' || name === 'exit' ? weight * forks : weight;
      if (draw < share) return name;
      draw -= share;
    }
    return 'write';
  }

  /** A few pages of a zone: what is done there is done to the same mappings again and again. */
  #piece(): Zone {
    const random = this.#random;
    const { start, nrPages } = random.pick([ARENA, ARENA, this.#top, SEAM]);
    const length = random.pick([3, 6, 10]);
    return { start: start + random.below(nrPages - length) * PAGE_SIZE, nrPages: length };
  }

  #mmap(): number[] {
    const random = this.#random;
    if (this.#hasHugePages && random.oneIn(7)) return this.#mmapHuge();
    const file = random.pick([0, 0, 0, 0, 0, FILE_RW, FILE_RW, FILE_RO, MEMFD, MEMFD]);
    let flags = random.pick([MAP_PRIVATE, MAP_PRIVATE, MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED, MAP_SHARED, MAP_SHARED_VALIDATE, random.oneIn(20) ? random.pick([0, 4, this.#droppable]) : MAP_PRIVATE]);
    if (file === 0 && !random.oneIn(60)) flags |= MAP_ANONYMOUS;
    flags |= random.pick([MAP_FIXED, MAP_FIXED, MAP_FIXED, MAP_FIXED, MAP_FIXED, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_FIXED_NOREPLACE, 0, 0]);
    for (const [flag, n] of [[MAP_GROWSDOWN, 14], [MAP_NORESERVE, 10], [MAP_POPULATE, 10], [MAP_LOCKED, 16], [MAP_STACK, 16], ...RARE_FLAGS] as const) if (random.oneIn(n)) flags |= flag;
    const isFixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0;
    const addr = isFixed || random.oneIn(2) ? this.#address(30) : 0;
    if (!isFixed && random.oneIn(10)) return this.#mmapLarge(addr, flags & ~(MAP_POPULATE | MAP_LOCKED | MAP_GROWSDOWN));
    if (random.oneIn(150)) flags += random.pick(BEYOND_INT);
    const offset = random.oneIn(30) ? random.pick([5, 2048, 2 ** 63, 2 ** 64 - PAGE_SIZE, 2 ** 52]) : random.below(FILE_PAGES + 4) * PAGE_SIZE;
    return [addr, this.#length(30), random.pick(PROTS), flags, file, file === 0 && !random.oneIn(8) ? 0 : offset];
  }

  /** So large that it is looked for a place of huge pages, or that it can only be PROT_NONE. */
  #mmapLarge(addr: number, flags: number): number[] {
    const random = this.#random;
    const file = (flags & MAP_ANONYMOUS) === 0 ? random.pick([FILE_RW, MEMFD]) : 0;
    if (random.oneIn(4)) return [addr, random.pick(VAST_LENGTHS), 0, flags | MAP_NORESERVE, file, 0];
    return [addr, random.pick(LARGE_LENGTHS), random.pick(PROTS), flags, file, file === 0 ? 0 : random.below(4) * PAGE_SIZE];
  }

  #rlimit(): number[] {
    const random = this.#random;
    const [resource, pages] = random.pick(LIMITS);
    return [resource, random.oneIn(2) ? Infinity : random.oneIn(8) ? random.pick([0, 1, PAGE_SIZE - 1, 2 ** 40]) : (pages / 4 + random.below(pages)) * PAGE_SIZE + random.pick([0, 0, 1, 2048])];
  }

  /** Where it may be and nowhere else: what the kernel places by itself would add up. */
  #mmapHuge(): number[] {
    const random = this.#random;
    let flags = MAP_HUGETLB | MAP_ANONYMOUS | random.pick([MAP_FIXED, MAP_FIXED, MAP_FIXED, MAP_FIXED_NOREPLACE]) | random.pick([MAP_PRIVATE, MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED, MAP_SHARED]);
    for (const [flag, n] of [[MAP_NORESERVE, 8], [MAP_POPULATE, 8], [MAP_LOCKED, 12], [MAP_STACK, 16], [MAP_GROWSDOWN, 30], [24 << 26, 40], [21 << 26, 10]] as const) if (random.oneIn(n)) flags |= flag;
    return [this.#hugeAddress(), this.#hugeLength(), random.pick(PROTS), flags, 0, random.oneIn(12) ? random.pick([PAGE_SIZE, HUGE_PAGE]) : 0];
  }

  #hugeAddress(): number {
    return HUGE.start + this.#random.below(HUGE.nrPages * PAGE_SIZE / HUGE_PAGE) * HUGE_PAGE + this.#random.pick([0, 0, 0, 0, 0, 0, PAGE_SIZE, HUGE_PAGE - PAGE_SIZE]);
  }

  #hugeLength(): number {
    return this.#random.pick([1, 1, 1, 2, 2, 3]) * HUGE_PAGE + this.#random.pick([0, 0, 0, 0, 0, 0, PAGE_SIZE, -PAGE_SIZE, 1]);
  }

  #mremap(): number[] {
    const random = this.#random;
    const flags = random.pick([1, 1, 1, 3, 3, 3, 5, 7, 0, 0, random.oneIn(10) ? 2 : 3, random.oneIn(10) ? 8 : 1]);
    const [addr, oldLen] = this.#range();
    const newLen = random.oneIn(2) ? oldLen : this.#length(30);
    return [addr, random.oneIn(12) ? 0 : oldLen, newLen, flags, this.#address(30)];
  }

  #range(): [addr: number, lenBytes: number] {
    const address = this.#address(25);
    const isHuge = address >= HUGE.start && address < zoneEnd(HUGE);
    return [address, isHuge && !this.#random.oneIn(4) ? this.#hugeLength() : this.#length(30)];
  }

  /** @param oneIn how often it is none of a page */
  #address(oneIn: number): number {
    const random = this.#random;
    if (random.oneIn(oneIn)) return random.oneIn(3) ? random.pick(ABSURD_ADDRESSES) : ARENA.start + random.below(ARENA.nrPages * PAGE_SIZE);
    const zone = this.#focus !== null && !random.oneIn(12) ? this.#focus : random.pick(this.#zones);
    if (zone === HUGE) return this.#hugeAddress();
    return zone.start + random.below(zone.nrPages) * PAGE_SIZE;
  }

  /** The first word of a page, which is compared, or one that the model keeps apart from it. */
  #writeAddress(): number {
    const address = this.#address(40);
    return address % PAGE_SIZE === 0 || address > TASK_END ? address : address - (address % 8) + 4;
  }

  #length(oneIn: number): number {
    const random = this.#random;
    if (random.oneIn(oneIn)) return random.oneIn(3) ? random.pick(ABSURD_LENGTHS) : random.below(9 * PAGE_SIZE);
    if (this.#focus !== null) return (1 + random.below(this.#focus.nrPages)) * PAGE_SIZE;
    return random.pick([1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 8, 12, 16, 20]) * PAGE_SIZE;
  }
}
