/** Plays a counterexample once more and notes, after every step, what an engineer would look at. */
import { explore } from '@mmun/explorer';
import type { ExplorableMachine, Program } from '@mmun/explorer';
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
  const see = (m: WatchedMachine): Moment => ({
    ...pteOf(image, m, page),
    words: m.words.slice(), held: image.heldLocks(m, m.cpu.current[0] as TaskStruct).map((where) => image.nameOfWhere(m, where)),
    entries: entriesOf(image, m), live: Array.from({ length: m.bootConfig.nrFrames + 1 }, (_, pfn) => pfn > 0 && image.isFrameLive(m, pfn as Pfn)),
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
