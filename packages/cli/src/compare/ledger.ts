/** A plugin that keeps books: under which lock it was told of what, and which pages it had to ask for again. */
import type { InspectedImage, Mm, NotifierOps, SecondaryDriver, SecondaryMmu, Vaddr } from '@mmun/include';
import type { Machine, ReplayImage } from '../run/images.js';

const PAGE_SIZE = 4096;

/** What was told of while one kind of lock was the innermost that the kernel held. */
export interface ToldUnder {
  readonly lock: string;
  /** Calls into the plugin, and the pages that they named: for a range with those that were not present. */
  readonly calls: number;
  readonly pages: number;
  /** Entries that it dropped in them. */
  readonly dropped: number;
}

/** The innermost first. */
const LOCKS: readonly (readonly [prefix: string, name: string])[] = [
  ['page.ptl', 'PT lock'], ['mm.pageTableLock', 'PT lock'], ['anonVma.lock', 'anon_vma lock'], ['inode.iMmapLock', 'i_mmap lock'], ['mm.mmapSem', 'mmap_sem'],
];

type Op = (mn: number, mm: Mm, ...args: number[]) => Generator<string, unknown, void>;

export class Ledger {
  refaults = 0;
  readonly #under: Map<string, { calls: number; pages: number; dropped: number }> = new Map();
  readonly #asked: Set<string> = new Set();
  #innermost: () => string = () => 'none';

  /** The same plugin, in an image whose machines the ledger can look at. Only for checked images: others hold no locks. */
  watch(image: ReplayImage, plugin: SecondaryMmu): { readonly image: ReplayImage; readonly plugin: SecondaryMmu } {
    const inspected = image as ReplayImage & InspectedImage<Machine>;
    const watching: ReplayImage = {
      ...image,
      attachSecondaryMmu: (m, attached) => {
        this.#innermost = () => {
          const held = inspected.heldLocks(m, image.getCurrent(m)).map((lock) => inspected.nameOfWhere(m, lock));
          return LOCKS.find(([prefix]) => held.some((name) => name.startsWith(prefix)))?.[1] ?? 'none';
        };
        return image.attachSecondaryMmu(m, attached);
      },
    };
    return { image: watching, plugin: { ...plugin, attach: (services) => this.#watched(plugin.attach(services)) } };
  }

  /** Most calls first. */
  get told(): ToldUnder[] {
    return [...this.#under].map(([lock, sums]) => ({ lock, ...sums })).sort((a, b) => b.calls - a.calls);
  }

  #watched(driver: SecondaryDriver): SecondaryDriver {
    const ops = Object.fromEntries(Object.entries(driver.ops).map(([name, op]) => [name, this.#watchedOp(driver, name, op as Op)]));
    return {
      ...driver,
      ops: ops as NotifierOps,
      fault: (instance, address, isWrite) => {
        this.#noteFault(instance, address);
        return driver.fault(instance, address, isWrite);
      },
    };
  }

  #watchedOp(driver: SecondaryDriver, name: string, op: Op): Op {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- a generator has no arrow form
    const ledger = this;
    return function* (mn, mm, ...args): Generator<string, unknown, void> {
      const lock = ledger.#innermost();
      const before = driver.counters().invalidations;
      const result = yield* op(mn, mm, ...args);
      ledger.#note(lock, nrPages(name, args), driver.counters().invalidations - before);
      return result;
    };
  }

  #note(lock: string, pages: number, dropped: number): void {
    const sums = this.#under.get(lock) ?? { calls: 0, pages: 0, dropped: 0 };
    this.#under.set(lock, { calls: sums.calls + 1, pages: sums.pages + pages, dropped: sums.dropped + dropped });
  }

  #noteFault(instance: number, address: Vaddr): void {
    const page = `${instance}:${Math.floor(address / PAGE_SIZE)}`;
    if (this.#asked.has(page)) this.refaults++;
    else this.#asked.add(page);
  }
}

/** An end names its pages a second time. */
function nrPages(name: string, args: readonly number[]): number {
  if (name === 'release' || name === 'invalidateRangeEnd') return 0;
  return args.length < 2 || name === 'changePte' ? 1 : (args[1] - args[0]) / PAGE_SIZE;
}
