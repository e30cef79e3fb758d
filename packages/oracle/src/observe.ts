/** Plays a counterexample once more and notes, after every step, what an engineer would look at. */
import { explore } from '@mmun/explorer';
import type { ExplorableMachine, Program } from '@mmun/explorer';
import { PAGE_SIZE } from '@mmun/include';
import type { Mm, Pfn, TaskStruct, Vaddr, Where } from '@mmun/include';
import type { WatchedImage, WatchedMachine } from './watched.js';

/** An entry of a device or of a CPU's TLB. */
export interface SeenEntry {
  readonly who: string;
  readonly mm: Mm;
  readonly address: Vaddr;
  readonly pfn: Pfn;
  readonly isWritable: boolean;
}

/** The machine after one step. */
export interface Moment {
  readonly words: Int32Array;
  /** Locks that the thread of the step holds. */
  readonly held: readonly string[];
  readonly entries: readonly SeenEntry[];
  /** What page tables say: of every page where a space is small enough to look at whole, else of those that have an entry. */
  readonly ptes: readonly Omit<SeenEntry, 'who'>[];
  /** By frame: in use. */
  readonly live: readonly boolean[];
  /** The word that decides where the page in question leads, and what stands there; 0 and empty where no page is. */
  readonly pteWhere: Where;
  readonly pte: string;
}

export interface Observed {
  /** Before the first step, then after each. */
  readonly moments: readonly Moment[];
  describe(where: Where, value: number): string;
}

/** @param page the page that the finding is about, if it is about one */
export function observe(program: Program<ExplorableMachine>, image: WatchedImage, replay: string, page: { readonly mm: Mm; readonly address: Vaddr } | null): Observed {
  let moments: Moment[] = [];
  let machine: WatchedMachine | null = null;
  const see = (m: WatchedMachine, entries = entriesOf(image, m)): Moment => ({
    ...pteOf(image, m, page), entries, ptes: ptesOf(image, m, entries),
    words: m.words.slice(), held: image.heldLocks(m, m.cpu.current[0] as TaskStruct).map((where) => image.nameOfWhere(m, where)),
    live: Array.from({ length: m.bootConfig.nrFrames + 1 }, (_, pfn) => pfn > 0 && image.isFrameLive(m, pfn as Pfn)),
  });
  const watched: Program<ExplorableMachine> = {
    ...program,
    threads: program.threads.map((thread) => ({
      ...thread,
      run: (m) => {
        // all threads start before the first step of an execution
        machine = m as WatchedMachine;
        moments = [see(machine)];
        return thread.run(m);
      },
    })),
    afterStep: (m, report) => {
      moments.push(see(m as WatchedMachine));
      program.afterStep?.(m, report);
    },
  };
  explore(watched, { replay });
  return { moments, describe: (where, value) => (machine === null ? '' : image.describeWord(machine, where, value)) };
}

function pteOf(image: WatchedImage, m: WatchedMachine, page: { readonly mm: Mm; readonly address: Vaddr } | null): Pick<Moment, 'pteWhere' | 'pte'> {
  if (page === null) return { pteWhere: 0 as Where, pte: '' };
  const pteWhere = image.translationWhere(m, page.mm, page.address);
  return { pteWhere, pte: image.describeWord(m, pteWhere, m.words[pteWhere]) };
}

function entriesOf(image: WatchedImage, m: WatchedMachine): SeenEntry[] {
  const entries: SeenEntry[] = [];
  for (const { name, driver } of image.attachedSecondaries(m)) {
    driver.audit((_instance, mm, address, pfn, isWritable) => { entries.push({ who: name, mm, address, pfn, isWritable }); });
  }
  image.auditTlb(m, (cpu, mm, address, pfn, isWritable) => { entries.push({ who: `cpu ${cpu}`, mm, address, pfn, isWritable }); });
  return entries;
}

/** Address spaces of so many pages are looked at whole. */
const SMALL_SPACE = 64;

function ptesOf(image: WatchedImage, m: WatchedMachine, entries: readonly SeenEntry[]): Moment['ptes'] {
  const ptes: Omit<SeenEntry, 'who'>[] = [];
  const add = (mm: Mm, address: Vaddr): void => {
    const primary = image.isMmAlive(m, mm) ? image.primaryTranslation(m, mm, address) : 0;
    if (primary !== 0) ptes.push({ mm, address, pfn: Math.floor(primary / 2) as Pfn, isWritable: primary % 2 === 1 });
  };
  const nrPages = (image.TASK_SIZE ?? Infinity) / PAGE_SIZE;
  if (nrPages > SMALL_SPACE) for (const { mm, address } of entries) add(mm, address);
  else for (let mm = 1; mm <= m.bootConfig.nrMms; mm++) for (let page = 0; page < nrPages; page++) add(mm as Mm, (page * PAGE_SIZE) as Vaddr);
  return ptes;
}
