/** The floor: the same updates of ptes, counts and lists in a bare loop over typed arrays, with nothing around them. */
import { FORK_PAGES, NR_PAGES } from './rows.js';
import type { Row, RowName } from './rows.js';

export class FloorRows {
  readonly #pte = new Uint32Array(2 * FORK_PAGES);
  readonly #other = new Uint32Array(2 * FORK_PAGES);
  readonly #next = new Uint32Array(3 * FORK_PAGES);
  readonly #refcount = new Int32Array(3 * FORK_PAGES);
  readonly #mapcount = new Int32Array(3 * FORK_PAGES);
  readonly #vma = new Float64Array(64);
  #free = 0;

  constructor() {
    for (let pfn = 3 * FORK_PAGES - 1; pfn > 0; pfn--) {
      this.#next[pfn] = this.#free;
      this.#free = pfn;
    }
  }

  /** @returns ns of one of `row.count` */
  sample({ name, count, rounds }: Row): number {
    const [before, timed, after] = this.#rows[name];
    before();
    const start = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) timed();
    const ns = Number(process.hrtime.bigint() - start);
    after();
    return ns / (count * rounds);
  }

  readonly #fill = (): void => { this.#fault(NR_PAGES); };
  readonly #drop = (): void => { this.#zap(NR_PAGES); };
  readonly #nothing = (): void => undefined;

  readonly #rows: Readonly<Record<RowName, readonly [() => void, () => void, () => void]>> = {
    'anonymous write fault': [this.#nothing, this.#fill, this.#drop],
    'read fault': [this.#nothing, () => { this.#share(NR_PAGES, 1); }, () => { this.#pte.fill(0); }],
    'file fault': [this.#nothing, () => { this.#share(NR_PAGES, 0); }, () => { this.#pte.fill(0); }],
    'munmap, touched': [this.#fill, this.#drop, this.#nothing],
    'mprotect, 512 present': [this.#fill, () => { for (const bits of [5, 7]) this.#protect(bits); }, this.#drop],
    'mprotect, split and merge': [this.#nothing, () => { for (let i = 0; i < 20; i++) this.#area(i & 7, i); }, this.#nothing],
    'mmap and munmap': [this.#nothing, () => { for (let i = 0; i < 20; i++) this.#area(i & 7, i); }, this.#nothing],
    'MADV_DONTNEED and refault': [this.#fill, () => { this.#zap(NR_PAGES); this.#fault(NR_PAGES); }, this.#drop],
    'mremap, pte by pte': [this.#fill, () => { this.#move(this.#pte, this.#other); this.#move(this.#other, this.#pte); }, this.#drop],
    'fork, 4096 present': [() => { this.#fault(FORK_PAGES); }, () => { this.#copy(); }, () => { this.#uncopy(); this.#zap(FORK_PAGES); }],
    'COW break': [this.#fill, () => { this.#breakCow(); }, this.#drop],
  };

  #fault(pages: number): void {
    const pte = this.#pte, next = this.#next, refcount = this.#refcount, mapcount = this.#mapcount;
    for (let i = 0; i < pages; i++) {
      const pfn = this.#free;
      this.#free = next[pfn] as number;
      refcount[pfn] = 1;
      mapcount[pfn] = 1;
      pte[2 * i] = (pfn << 12) | 7;
      pte[2 * i + 1] = pfn >>> 20;
    }
  }

  #share(pages: number, isZeroPage: number): void {
    const pte = this.#pte, refcount = this.#refcount, mapcount = this.#mapcount;
    for (let i = 0; i < pages; i++) {
      const pfn = isZeroPage === 1 ? 1 : i + 1;
      if (isZeroPage === 0) {
        refcount[pfn]++;
        mapcount[pfn]++;
      }
      pte[2 * i] = (pfn << 12) | 5;
      pte[2 * i + 1] = pfn >>> 20;
    }
  }

  #zap(pages: number): void {
    const pte = this.#pte, next = this.#next, refcount = this.#refcount, mapcount = this.#mapcount;
    for (let i = 0; i < pages; i++) {
      const pfn = (pte[2 * i] as number) >>> 12;
      pte[2 * i] = pte[2 * i + 1] = 0;
      mapcount[pfn]--;
      if (--refcount[pfn] !== 0) continue;
      next[pfn] = this.#free;
      this.#free = pfn;
    }
  }

  #protect(bits: number): void {
    const pte = this.#pte;
    for (let i = 0; i < NR_PAGES; i++) pte[2 * i] = ((pte[2 * i] as number) & ~7) | bits;
  }

  #area(row: number, value: number): void {
    const vma = this.#vma;
    for (let field = 0; field < 8; field++) vma[row * 8 + field] = value + field;
  }

  #move(from: Uint32Array, to: Uint32Array): void {
    for (let i = 0; i < NR_PAGES; i++) {
      to[2 * i] = from[2 * i] as number;
      to[2 * i + 1] = from[2 * i + 1] as number;
      from[2 * i] = from[2 * i + 1] = 0;
    }
  }

  #copy(): void {
    const pte = this.#pte, other = this.#other, refcount = this.#refcount, mapcount = this.#mapcount;
    for (let i = 0; i < FORK_PAGES; i++) {
      const low = (pte[2 * i] as number) & ~2;
      pte[2 * i] = other[2 * i] = low;
      other[2 * i + 1] = pte[2 * i + 1] as number;
      refcount[low >>> 12]++;
      mapcount[low >>> 12]++;
    }
  }

  #uncopy(): void {
    for (let i = 0; i < FORK_PAGES; i++) {
      const pfn = (this.#other[2 * i] as number) >>> 12;
      this.#refcount[pfn]--;
      this.#mapcount[pfn]--;
      this.#other[2 * i] = this.#other[2 * i + 1] = 0;
    }
  }

  #breakCow(): void {
    const pte = this.#pte, next = this.#next, refcount = this.#refcount, mapcount = this.#mapcount;
    for (let i = 0; i < NR_PAGES; i++) {
      const old = (pte[2 * i] as number) >>> 12;
      const pfn = this.#free;
      this.#free = next[pfn] as number;
      refcount[pfn] = mapcount[pfn] = 1;
      pte[2 * i] = (pfn << 12) | 7;
      mapcount[old]--;
      refcount[old]--;
      next[old] = this.#free;
      this.#free = old;
    }
  }
}
